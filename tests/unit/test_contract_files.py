"""The contract files as files: they follow the standard, and the project's own conventions on top of it."""

import json
import re
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from schemas.contract import TABLES, contract
from schemas.quoting import quoted

FOLDER = Path(__file__).parents[2] / "schemas" / "contracts"
FILES = sorted(FOLDER.glob("*.odcs.yaml"))
TYPES = {
    "string": {"VARCHAR", "UUID"},
    "integer": {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UBIGINT"},
    "number": {"DOUBLE"},
    "boolean": {"BOOLEAN"},
    "date": {"DATE"},
    "timestamp": {"TIMESTAMPTZ"},
    "array": {"VARCHAR[]", "SMALLINT[]"},
}
OUR_PROPERTIES = {"onFailure", "unit", "default", "codeList", "open", "letterCase", "mayBeFuture", "sourceName"}
DIMENSIONS = {"conformity", "completeness", "accuracy", "consistency"}


def standard(file: Path) -> OpenDataContractStandard:
    return OpenDataContractStandard.from_file(str(file))


def _properties():
    for file in FILES:
        for thing in standard(file).schema_:
            for column in thing.properties:
                yield pytest.param(column, id=f"{thing.name}.{column.name}")


def _rules():
    for file in FILES:
        for thing in standard(file).schema_:
            for rule in thing.quality or ():
                yield pytest.param(thing.name, None, rule, id=f"{thing.name}.{rule.name}")
            for column in thing.properties:
                for rule in column.quality or ():
                    yield pytest.param(thing.name, column.name, rule, id=f"{thing.name}.{rule.name}")


PROPERTIES, RULES = list(_properties()), list(_rules())


def custom(thing):
    return {entry.property: entry.value for entry in thing.customProperties or ()}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_file_is_valid_by_the_schema_of_the_standard(file):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    faults = [
        f"{'.'.join(map(str, fault.absolute_path))}: {fault.message}"
        for fault in validator.iter_errors(yaml.safe_load(file.read_text(encoding="utf-8")))
    ]
    assert faults == []


def test_there_is_one_file_a_table_and_one_for_the_envelope():
    assert {file.name for file in FILES} == {f"{table}.odcs.yaml" for table in (*TABLES, "envelope")}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_file_names_itself_and_says_what_it_is_for(file):
    found, name = standard(file), file.name.removesuffix(".odcs.yaml")
    assert (found.apiVersion, found.kind, found.status) == ("v3.1.0", "DataContract", "active")
    assert (found.id, found.name) == (f"patient-outcomes.{name}", name)
    assert re.fullmatch(r"\d+\.\d+\.\d+", found.version)
    assert found.description.purpose
    if name != "envelope":
        [table] = found.schema_
        assert table.name == name
        assert table.description
        assert table.dataGranularityDescription.startswith("one row a")


@pytest.mark.parametrize("column", PROPERTIES)
def test_a_column_has_a_name_a_type_and_a_description(column):
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column.name)
    assert column.physicalType in TYPES[column.logicalType]
    assert column.description
    assert column.description.endswith(".")
    assert set(custom(column)) <= OUR_PROPERTIES
    assert custom(column).get("onFailure", "refuse") in {"refuse", "blank", "warn"}


@pytest.mark.parametrize("column", PROPERTIES)
def test_the_suffix_of_a_column_says_its_type(column):
    suffix = {"DATE": "_on", "TIMESTAMPTZ": "_at"}.get(column.physicalType)
    assert suffix is None or column.name.endswith(suffix)
    if column.physicalType == "BOOLEAN":
        assert column.name.startswith(("is_", "has_"))


@pytest.mark.parametrize("column", PROPERTIES)
def test_no_allowed_value_became_a_boolean_and_each_is_explained(column):
    allowed = column.enum or (column.items.enum if column.items else None) or []
    expected = int if column.logicalType == "integer" else str
    for entry in allowed:
        assert type(entry.value) is expected, f"{entry.value!r}: quote it"
        assert entry.description
        assert expected is str or entry.label
    assert len({entry.value for entry in allowed}) == len(allowed)


@pytest.mark.parametrize("column", PROPERTIES)
def test_a_required_column_is_never_blanked(column):
    assert not (column.required and custom(column).get("onFailure") == "blank")


@pytest.mark.parametrize("column", PROPERTIES)
def test_a_code_column_points_at_its_list(column):
    if name := custom(column).get("codeList"):
        assert [r.to for r in column.relationships] == [f"{name}.code"]
    if custom(column).get("open"):
        assert "codeList" in custom(column)


@pytest.mark.parametrize(("table", "column", "rule"), RULES)
def test_a_rule_counts_what_is_wrong_and_says_it_in_words(table, column, rule):
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", rule.name)
    assert rule.type == "sql"
    assert rule.mustBe == 0
    assert rule.query.startswith("SELECT count(*) FROM {object} WHERE ")
    assert set(re.findall(r"\{(\w+)\}", rule.query)) <= {"object", "today"}
    assert rule.dimension in DIMENSIONS
    assert rule.description
    action = custom(rule).get("onFailure", "refuse")
    assert action in {"refuse", "blank", "warn"}
    assert action != "blank" or column is not None, "only a rule at a column says which field to blank"


@pytest.mark.parametrize("table", TABLES)
def test_names_of_checks_are_unique_within_a_table(table):
    names = [check.name for check in contract(table).row_checks()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("table", TABLES)
def test_a_partly_known_date_has_its_precision_right_behind_it(table):
    names = [column.name for column in contract(table).columns]
    for name in names:
        if name.endswith("_precision"):
            assert names[names.index(name) - 1] == name.removesuffix("_precision")


@pytest.fixture(scope="module")
def tables():
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for table in TABLES:
        columns = ", ".join(f"{quoted(c.name)} {c.sql_type}" for c in contract(table).columns)
        con.execute(f"CREATE TABLE {table} ({columns})")
    yield con
    con.close()


def broken(con, table, **values):
    """Names of the table's own rules that a row with these values breaks."""
    con.execute(f"DELETE FROM {table}")
    con.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", list(values.values())
    )
    today = "DATE '2026-03-10'"
    return {
        rule.name
        for rule in contract(table).rules
        if con.execute(f"SELECT count(*) FROM {table} WHERE {rule.violated.replace('{today}', today)}").fetchone()[0]
    }


DAY, MONTH, YEAR, NONE = "day", "month", "year", "unknown"


@pytest.mark.parametrize(
    ("table", "values", "expected"),
    [
        ("relapse", {"started_on": None, "started_on_precision": NONE}, set()),
        ("relapse", {"started_on": None, "started_on_precision": MONTH}, {"started_on_against_its_precision"}),
        ("relapse", {"started_on": "2025-01-01", "started_on_precision": NONE}, {"started_on_against_its_precision"}),
        ("weekly_activity", {"active_minutes": 0, "week_starting_on": "2026-03-04"}, set()),
        ("weekly_activity", {"active_minutes": 0, "week_starting_on": "2026-03-05"}, {"week_not_over"}),
        ("weekly_activity", {"active_minutes": 2000, "sedentary_hours_per_day": 20.0}, {"more_than_a_week"}),
        ("weekly_activity", {"active_minutes": 1680, "sedentary_hours_per_day": 20.0}, set()),
        ("weekly_activity", {"active_minutes": 0, "session_count": 2}, {"sessions_without_minutes"}),
        ("weekly_activity", {"pacing": "unknown", "inactivity_reasons": []}, {"nothing_reported"}),
        ("weekly_activity", {"inactivity_reasons": ["pain"]}, set()),
        (
            "fall_report",
            {"period_started_on": "2025-02-01", "period_ended_on": "2025-01-31", "fall_count": 1},
            {"period_ends_before_it_starts"},
        ),
        ("fall_report", {"period_started_on": "2025-01-31", "period_ended_on": "2025-01-31", "fall_count": 10}, set()),
        (
            "fall_report",
            {"period_started_on": "2025-01-31", "period_ended_on": "2025-01-31", "fall_count": 11},
            {"more_than_ten_falls_a_day"},
        ),
        ("fall_report", {"fall_count": 1, "injurious_fall_count": 2}, {"more_injurious_falls_than_falls"}),
        ("fall_report", {"fall_count": 1, "injurious_fall_count": 1}, set()),
        (
            "fall_report",
            {"period_started_on": "2024-01-01", "period_ended_on": "2025-01-02", "fall_count": 1},
            {"period_longer_than_a_year"},
        ),
        ("treatment_episode", {"started_on": "2025-03-02", "stopped_on": "2025-03-01"}, {"stopped_before_start"}),
        ("treatment_episode", {"started_on": "2025-03-02", "stopped_on": "2025-03-02"}, set()),
        # Stopped some day of March, or of 2025: not before 2 March 2025, though the first day of that part is.
        (
            "treatment_episode",
            {"started_on": "2025-03-02", "stopped_on": "2025-03-01", "stopped_on_precision": MONTH},
            set(),
        ),
        (
            "treatment_episode",
            {"started_on": "2025-03-02", "stopped_on": "2025-01-01", "stopped_on_precision": YEAR},
            set(),
        ),
        (
            "treatment_episode",
            {"started_on": "2025-03-02", "stopped_on": "2025-02-01", "stopped_on_precision": MONTH},
            {"stopped_before_start"},
        ),
        (
            "treatment_episode",
            {"started_on": "2025-03-02", "stopped_on": "2024-01-01", "stopped_on_precision": YEAR},
            {"stopped_before_start"},
        ),
        ("treatment_episode", {"status": "current", "stopped_on": "2025-01-01"}, {"current_with_stop_date"}),
        ("treatment_episode", {"status": "stopped", "stopped_on": "2025-01-01"}, set()),
        ("treatment_episode", {"status": "current", "stop_reasons": ["cost"]}, {"stop_reason_while_current"}),
        ("treatment_episode", {"status": "stopped", "stop_reasons": ["cost"]}, set()),
        ("treatment_episode", {"status": None, "stop_reasons": ["cost"]}, {"stop_reason_without_stop"}),
        ("treatment_episode", {"status": None, "stop_reasons": []}, set()),
        (
            "treatment_episode",
            {"started_on": "2025-03-02", "last_confirmed_on": "2025-03-01"},
            {"confirmed_before_start"},
        ),
        (
            "treatment_episode",
            {"stopped_on": "2025-03-01", "last_confirmed_on": "2025-03-02"},
            {"confirmed_after_stop"},
        ),
        (
            "treatment_episode",
            {"stopped_on": "2025-03-01", "stopped_on_precision": MONTH, "last_confirmed_on": "2025-03-31"},
            set(),
        ),
        ("treatment_episode", {"dose_amount": 0.0, "dose_unit": "mg"}, {"dose_amount_not_positive"}),
        ("treatment_episode", {"dose_amount": 10.0}, {"dose_amount_without_unit"}),
        ("treatment_episode", {"started_on": None, "started_on_precision": DAY}, {"started_on_against_its_precision"}),
        ("treatment_episode", {"stopped_on": None, "stopped_on_precision": YEAR}, {"stopped_on_against_its_precision"}),
        ("treatment_episode", {"stopped_on": None, "stopped_on_precision": NONE}, set()),
        ("treatment_evaluation", {"effectiveness": "major"}, {"effectiveness_without_purpose"}),
        ("treatment_evaluation", {"effectiveness": "cant_tell", "purpose_code": "fatigue"}, set()),
        (
            "treatment_evaluation",
            {"side_effect_severity": "none", "side_effect_codes": ["nausea"]},
            {"side_effects_named_but_none"},
        ),
        ("treatment_evaluation", {"monthly_cost_band": "25_49"}, {"cost_without_currency"}),
        ("treatment_evaluation", {"adherence": "unknown"}, {"nothing_evaluated"}),
        ("outcome_assessment", {"source_score": None, "item_responses": [None]}, {"nothing_measured"}),
        ("outcome_assessment", {"item_responses": [None, 0]}, set()),
        ("outcome_assessment", {"instrument_code": "t25fw", "source_score": 181.0}, {"timed_walk_out_of_range"}),
        ("outcome_assessment", {"instrument_code": "t25fw", "source_score": 180.0}, set()),
        ("outcome_assessment", {"instrument_code": "nine_hpt", "source_score": 7.0}, {"peg_test_out_of_range"}),
        ("outcome_assessment", {"mode": "sensor", "source_score": 9064.7}, {"sensor_value_implausible"}),
        ("outcome_assessment", {"mode": "sensor", "source_score": 120.0}, set()),
        (
            "outcome_assessment",
            {"source_score": 1.0, "assessed_on": "2025-01-03", "assessed_at": "2025-01-01 12:00:00+00"},
            {"assessed_at_on_another_day"},
        ),
        (
            "outcome_assessment",
            {"source_score": 1.0, "assessed_on": "2025-01-02", "assessed_at": "2025-01-01 12:00:00+00"},
            set(),
        ),
    ],
)
def test_a_row_breaks_the_rules_it_should_and_no_other(tables, table, values, expected):
    assert broken(tables, table, **values) == expected


@pytest.mark.parametrize(
    ("table", "rule", "action"),
    [
        ("treatment_episode", "stopped_before_start", "refuse"),
        ("treatment_episode", "current_with_stop_date", "refuse"),
        ("treatment_episode", "stop_reason_while_current", "blank"),
        ("treatment_evaluation", "effectiveness_without_purpose", "warn"),
        ("fall_report", "more_injurious_falls_than_falls", "refuse"),
        ("fall_report", "period_ends_before_it_starts", "refuse"),
        ("fall_report", "period_ended_on_missing", "refuse"),
        ("treatment_episode", "dose_unit_unknown_value", "refuse"),
    ],
)
def test_a_rule_refuses_only_where_the_row_would_mislead(table, rule, action):
    [found] = [check for check in contract(table).row_checks() if check.name == rule]
    assert found.action == action


def test_units_are_read_with_their_case():
    assert contract("treatment_episode").column("dose_unit").letter_case == "keep"
