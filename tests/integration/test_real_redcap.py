"""Exports of real REDCap projects, read as their dictionaries say. They are no part of the project; without them these tests are skipped."""

import csv
import shutil

import pytest
import yaml
from redcap_server import explained

from flows.pipeline import ingest
from flows.warehouse import snapshot
from schemas.sources import sources

ID = "record_id AS source_record_id, record_id AS source_patient_id"
REPEATING = {
    "patient": f"SELECT record_number, {ID}, sex__label AS sex, year(TRY_CAST(dob AS DATE)) AS birth_year, date_enrolled AS enrolled_on "
    "FROM raw WHERE redcap_repeat_instrument IS NULL",
    "outcome_assessment": "SELECT record_number, redcap_key AS source_record_id, record_id AS source_patient_id, 'systolic' AS instrument_code, "
    "date_bp AS assessed_on, bp_systolic AS source_score FROM raw WHERE redcap_repeat_instrument = 'bp'",
}
COMMA = {
    "patient": f"SELECT record_number, {ID}, TRY_CAST(height AS DOUBLE) * 100 AS height_cm, weight AS weight_kg FROM raw"
}
LONGITUDINAL = {
    "outcome_assessment": "SELECT record_number, redcap_key AS source_record_id, record_id AS source_patient_id, 'weight' AS instrument_code, "
    "interview_date AS assessed_on, weight AS source_score FROM raw",
    "patient": f"SELECT record_number, {ID} FROM raw WHERE redcap_event_name = 'intake_arm_1'",
}
SIMPLE = {
    "patient": f"SELECT record_number, {ID}, sex__label AS sex, height AS height_cm, weight AS weight_kg FROM raw"
}


@pytest.fixture
def project(real_exports, workspace):
    """A source for one of the projects, with these SELECTs, and the path of its data."""
    folder = real_exports / "redcap"
    if not folder.is_dir():
        pytest.skip("the exports of REDCap projects are not here (../shared/data/redcap beside the repository)")

    def describe(name, selects, dictionary="dictionary.csv", **said):
        own = workspace.folder("sources")
        (own / name).mkdir(exist_ok=True)
        shutil.copy(folder / name / dictionary, own / name / "dictionary.csv")
        for table, select in selects.items():
            (own / name / f"{table}.sql").write_text(select)
        text = {
            "name": name,
            "description": "REDCap",
            "files": [{"match": "*.csv", "feeds": list(selects)}],
            "dictionary": "dictionary.csv",
            **said,
        }
        (own / f"{name}.yaml").write_text(yaml.safe_dump(text))
        return sources(own)[name], folder / name / "data.csv"

    return describe


def taken(workspace, path, source, now):
    (file,) = ingest(workspace, [path], source.name, now=now).files
    return [file.counts[f"{what}_count"] for what in ("read", "admitted", "quarantined", "out_of_scope")]


def ask(workspace, sql):
    with snapshot(workspace) as con:
        return con.execute(sql).fetchall()


def test_a_decimal_comma_is_read_where_the_dictionary_has_one(project, workspace, now):
    source, path = project("decimal-comma", COMMA, "dictionay.csv")
    seen = explained(workspace, path, source)
    # The sum beside them is computed by REDCap, with a point.
    assert [(r["height"], r["weight"], r["bmi"]) for r in seen] == [
        ("1.54", "52.3", "22.1"),
        ("1.84", "92.3", "27.3"),
        ("1.95", "123.4", "32.5"),
        ("1.61", "45.9", "17.7"),
    ]
    assert taken(workspace, path, source, now) == [4, 4, 0, 0]
    found = ask(workspace, "SELECT height_cm, weight_kg FROM core.patient_record ORDER BY 1")
    assert found == [(154.0, 52.3), (161.0, 45.9), (184.0, 92.3), (195.0, 123.4)]


def test_repeating_instruments_are_rows(project, workspace, now):
    source, path = project("repeating-instruments", REPEATING)
    seen = explained(workspace, path, source)
    assert [(r["redcap_key"], r["redcap_filled"]) for r in seen] == [
        ("1", "demographics"),
        ("1/bp/1", "bp"),
        ("1/bp/2", "bp"),
        ("1/bp/3", "bp"),
        ("2", "demographics"),
        ("2/bp/1", "bp"),
    ]
    assert [(r["sex__label"], r["ethnicity__label"], r["race__label"]) for r in seen if r["sex"]] == [
        ("Female", "NOT Hispanic or Latino", "White"),
        ("Male", "Hispanic or Latino", "Unknown / Not Reported"),
    ]
    assert taken(workspace, path, source, now) == [6, 6, 0, 0]
    found = ask(workspace, "SELECT assessed_on::VARCHAR, source_score FROM core.outcome_assessment ORDER BY 1, 2")
    assert found == [("2004-04-04", 114.0), ("2019-10-14", 110.0), ("2019-10-14", 111.0), ("2019-10-14", 112.0)]


def test_an_instrument_that_feeds_nothing_is_out_of_scope_and_none_is_lost(project, workspace, now):
    only = {"patient": REPEATING["patient"]}
    source, path = project("repeating-instruments", only, not_mapped={"redcap_filled": ["bp"]})
    assert taken(workspace, path, source, now) == [6, 2, 0, 4]


def test_an_instrument_that_nobody_spoke_of_is_refused_with_its_original(project, workspace, now):
    source, path = project("repeating-instruments", {"patient": REPEATING["patient"]}, tolerance=1)
    assert taken(workspace, path, source, now) == [6, 2, 4, 0]


def test_events_of_a_longitudinal_project_are_rows(project, workspace, now):
    source, path = project("arm-single-longitudinal", LONGITUDINAL)
    seen = explained(workspace, path, source)
    assert [r["redcap_key"] for r in seen[:3]] == ["1/intake_arm_1", "1/dischage_arm_1", "1/follow_up_arm_1"]
    assert taken(workspace, path, source, now) == [9, 9, 0, 0]
    found = ask(workspace, "SELECT source_score FROM core.outcome_assessment ORDER BY 1")
    assert found == [(float(tens * 10 + ones),) for tens in (1, 2, 3) for ones in (1, 2, 3)]


def test_choices_and_ticks_are_read_by_their_labels(project, workspace, now):
    source, path = project("simple", SIMPLE)
    seen = explained(workspace, path, source)
    # The export went through R, which writes 0 and 1 as FALSE and TRUE.
    assert [r["sex__label"] for r in seen] == ["Female", "Male", "Male", "Female", "Male"]
    assert [r["race__labels"] for r in seen] == [
        "White",
        "Native Hawaiian or Other Pacific Islander|White",
        "Black or African American|White",
        "Asian|White",
        "American Indian/Alaska Native|Unknown / Not Reported",
    ]
    assert [r["ethnicity__label"] for r in seen][2] == "Unknown / Not Reported"
    # Two of them are mice.
    assert taken(workspace, path, source, now) == [5, 5, 0, 0]
    found = ask(workspace, "SELECT height_cm, sex FROM core.patient_record WHERE height_cm IS NOT NULL ORDER BY 1")
    assert found == [(165.0, "female"), (180.0, "male"), (193.04, "male")]


def test_the_metadata_as_r_writes_it_is_a_dictionary_too(project):
    downloaded, _ = project("simple", SIMPLE)
    written, _ = project("simple", SIMPLE, "metadata.csv")
    # In the one it is computed, in the other typed in.
    assert downloaded.explained.differences(written.explained) == ["age"]


def test_every_type_of_field_is_known_and_an_empty_record_holds_nothing(project, workspace):
    source, path = project("validation-types-1", SIMPLE)
    with path.open(newline="") as file:
        header = next(csv.reader(file))
    assert set(header) <= set(source.explained.columns)
    assert set(source.explained.field_columns) <= set(header)
    (seen,) = explained(workspace, path, source)
    assert {name: value for name, value in seen.items() if value is not None and "___" not in name} == {
        "record_number": 1,
        "record_id": "1",
        "form_1_complete": "0",
        "redcap_key": "1",
        "redcap_filled": "none",
    }
