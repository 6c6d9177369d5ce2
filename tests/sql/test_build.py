"""How marts are made, and the rules of counting that a reader would ask about."""

from datetime import UTC, date, datetime

import pytest
from warehouse_records import nobody

from flows.errors import PipelineError
from flows.stages.build import marts
from flows.stages.release import draft
from sql import statement

AT = datetime(2025, 6, 30, 12, tzinfo=UTC)


def severity(warehouse, symptom="fatigue"):
    rows = warehouse.mart("symptom_prevalence")
    return {
        r["severity_group"]: r["patient_count"] for r in rows if r["symptom_code"] == symptom and r["patient_count"]
    }


def test_every_mart_comes_after_those_it_reads():
    names = marts()
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            assert f"marts.{other} " not in statement(f"marts/{name}").replace("\n", " ").split("WITH", 1)[-1]


def test_marts_read_consented_views_and_the_ledger_only():
    for name in marts():
        code = "\n".join(line for line in statement(f"marts/{name}").splitlines() if not line.startswith("--"))
        for word in code.split():
            if word.startswith("core."):
                # The rules of instruments are no records.
                assert word.startswith(("core.consented_", "core.consent_state", "core.instrument_")), (name, word)
            assert not word.startswith("history."), name


def test_a_withdrawn_patient_is_in_no_mart(warehouse):
    warehouse.patient("p1")
    withdrawn = datetime(2025, 3, 15, 9, tzinfo=UTC)
    warehouse.add("consent", "p1", scope="aggregate_release", status="withdrawn", effective_at=withdrawn)
    warehouse.add("symptom_report", "p1", symptom_code="fatigue", reported_on=date(2025, 3, 1), severity=2)
    warehouse.build(as_of_at=datetime(2025, 3, 14, tzinfo=UTC))
    assert severity(warehouse) == {"reporting": 1, "moderate": 1, "any": 1, "moderate_or_severe": 1}
    warehouse.build(as_of_at=datetime(2025, 3, 15, 1, tzinfo=UTC))
    assert severity(warehouse) == {}
    assert warehouse.mart("patient") == []


def test_two_reports_of_one_day_and_region_count_the_newest_and_across_regions_the_worst(warehouse):
    warehouse.patient("p1")
    day = {"symptom_code": "fatigue", "reported_on": date(2025, 6, 1)}
    warehouse.add(
        "symptom_report",
        "p1",
        **day,
        severity=3,
        body_region="legs",
        source_updated_at=datetime(2025, 6, 2, tzinfo=UTC),
    )
    warehouse.add(
        "symptom_report",
        "p1",
        **day,
        severity=1,
        body_region="legs",
        source_updated_at=datetime(2025, 6, 3, tzinfo=UTC),
    )
    warehouse.add("symptom_report", "p1", **day, severity=2, body_region="face")
    warehouse.build()
    assert severity(warehouse)["moderate"] == 1


def test_the_latest_rating_counts_and_an_undated_one_is_the_oldest(warehouse):
    warehouse.patient("p1")
    warehouse.add("treatment_episode", "p1", record="e1", treatment_code="yoga", purpose_codes=["stiffness"])
    for level, on in (("none", None), ("slight", date(2024, 1, 1)), ("major", date(2025, 1, 1)), ("cant_tell", None)):
        warehouse.add(
            "treatment_evaluation", "p1", episode="e1", purpose_code="stiffness", effectiveness=level, evaluated_on=on
        )
    warehouse.build()
    assert [row["effectiveness"] for row in warehouse.mart("treatment_rating")] == ["major"]


def test_the_window_is_365_days_with_its_last_day(warehouse):
    warehouse.patient("p1")
    warehouse.patient("p2")
    warehouse.add("symptom_report", "p1", symptom_code="fatigue", reported_on=date(2024, 7, 1), severity=1)
    warehouse.add("symptom_report", "p2", symptom_code="fatigue", reported_on=date(2024, 6, 30), severity=1)
    warehouse.build()
    assert severity(warehouse)["reporting"] == 1
    (as_of,) = warehouse.mart("as_of")
    assert (as_of["window_from_on"], as_of["as_of_on"]) == (date(2024, 7, 1), date(2025, 6, 30))


def test_a_release_of_marts_built_as_of_another_batch_is_refused(after):
    warehouse = after(nobody)
    with pytest.raises(PipelineError, match="another batch"):
        draft(warehouse.con, as_of_batch=2, as_of_at=AT, now=AT, minimum_cell=11)


def test_a_mart_whose_file_is_gone_is_dropped(after):
    warehouse = after(nobody)
    warehouse.con.execute("CREATE TABLE marts.left_over AS SELECT 1 AS one")
    warehouse.build_all()
    assert warehouse.rows("SELECT table_name FROM duckdb_tables() WHERE table_name = 'left_over'") == []


def test_every_mart_says_what_it_is(after):
    rows = after(nobody).rows("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'marts'")
    assert {row["table_name"] for row in rows} == set(marts())
    for row in rows:
        assert "Grain:" in row["comment"], row["table_name"]
