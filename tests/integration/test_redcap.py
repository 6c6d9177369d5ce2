"""REDCap from end to end: a project is pulled or dropped as a file, and read as its data dictionary says."""

import csv
import json
import time
from datetime import timedelta

import canonical
import pytest
from api_server import landed
from redcap_server import (
    CLOCK,
    METADATA,
    SYSTEM,
    TOKEN,
    VARIABLE,
    Redcap,
    columns,
    describe,
    dictionary_csv,
    explained,
    people,
)

from flows import pipeline
from flows.settings import open_workspace
from schemas.sources import SourceError, sources

FED = ("patient", "symptom_report", "treatment_episode")


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


def pull(workspace):
    (found,) = pipeline.pull(workspace, "study", now=canonical.NOW).lists
    return found


def test_a_project_is_pulled_in_batches_and_read_as_its_dictionary_says(workspace, now):
    with Redcap(people(7)) as redcap:
        redcap.source(workspace)
        found = pull(workspace)
        assert (found.exit_code, found.message, found.record_count, found.page_count) == (0, "", 42, 3)
        assert {asked.form["token"] for asked in redcap.asked} == {TOKEN}
        assert not [asked for asked in redcap.asked if TOKEN in asked.path or TOKEN in str(asked.headers)]
        assert [a.content for a in redcap.asked] == ["metadata", "ids", "record", "record", "record", "ids"]
        bodies = {redcap.reply(asked).body for asked in redcap.of("record")}
    assert {path.read_bytes() for path in landed(workspace, "study")} == bodies
    summary = pipeline.ingest(workspace, now=now)
    assert summary.exit_code == 0
    counts = [file.counts for file in summary.files]
    assert sum(c["read_count"] for c in counts) == 42
    assert sum(c["admitted_count"] for c in counts) == 28
    # The notes of devices feed nothing, and events in which nothing was filled hold nothing.
    assert sum(c["out_of_scope_count"] for c in counts) == 14
    patients = canonical.query(
        workspace,
        "SELECT sex, condition_code, height_cm, weight_kg, enrolled_on::VARCHAR, exported_at FROM history.patient WHERE height_cm IN (161.5, 162.5) ORDER BY height_cm",
    )
    assert patients == [
        ("female", "ms", 161.5, 61.5, "2024-03-02", CLOCK),
        ("male", "ms", 162.5, 61.5, "2024-03-02", CLOCK),
    ]
    symptoms = canonical.query(
        workspace,
        "SELECT symptom_code, severity, reported_on::VARCHAR, count(*), count(DISTINCT patient_id) FROM core.symptom_report GROUP BY ALL ORDER BY 1",
    )
    assert symptoms == [("fatigue", 0, "2024-05-06", 7, 7), ("muscle_weakness", 3, "2024-04-05", 7, 7)]
    treatments = canonical.query(
        workspace, "SELECT DISTINCT treatment_code, started_on::VARCHAR, purpose_codes FROM core.treatment_episode"
    )
    assert treatments == [("baclofen", "2024-06-07", ["muscle_weakness", "fatigue"])]


def test_a_file_of_the_project_gives_what_the_pull_gives(workspace, tmp_path, now):
    with Redcap(people(4)) as redcap:
        redcap.source(workspace)
        pull(workspace)
    pipeline.ingest(workspace, now=now)
    other = tmp_path / "other"
    other.mkdir()
    (other / "key").write_bytes((workspace.root / "key").read_bytes())
    (other / "outcomes.toml").write_text("data_docs = false\n")
    from_file = open_workspace(other)
    describe(other / "sources", exported_at={"file_name": r"-(\d{4}-\d{2}-\d{2}T\d{6}Z)"})
    path = tmp_path / f"records-{CLOCK:%Y-%m-%dT%H%M%SZ}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns())
        writer.writeheader()
        writer.writerows(people(4))
    assert pipeline.ingest(from_file, [path], "study", now=now).exit_code == 0
    expected = canonical.core(workspace, *FED)
    assert all(expected[table] for table in FED)
    assert canonical.core(from_file, *FED) == expected


def test_a_later_pull_ranks_higher_by_the_server_s_clock(workspace, now):
    with Redcap(people(2)) as redcap:
        redcap.source(workspace)
        pull(workspace)
        pipeline.ingest(workspace, now=now)
        redcap.records[0]["weight"], redcap.clock = "70.25", CLOCK + timedelta(days=1)
        pull(workspace)
        pipeline.ingest(workspace, now=now)
    current = "SELECT weight_kg FROM history.patient WHERE superseded_in IS NULL ORDER BY 1"
    assert canonical.query(workspace, current) == [(61.5,), (70.25,)]


def test_a_report_is_pulled_with_the_fields_that_it_has(workspace, now):
    with Redcap(people(2)) as redcap:
        redcap.source(workspace, paths=[{"file": "records-report", "report": 7}])
        found = pull(workspace)
        assert (found.exit_code, found.record_count) == (0, 6), found.message
        (asked,) = redcap.of("report")
        assert asked.form["report_id"] == "7"
    (path,) = landed(workspace, "study")
    source = sources(workspace.root / "sources")["study"]
    first = explained(workspace, path, source)[0]
    assert (first["sex__label"], first["enrolled"], first["height"]) == ("Female", "2024-03-02", None)


def test_some_fields_may_be_chosen_and_ids_are_asked_for_all_the_same(workspace):
    chosen = {"fields[0]": "study_id", "fields[1]": "sex", "filterLogic": "[has_ms] = 1"}
    with Redcap(people(2)) as redcap:
        redcap.source(workspace, paths=[{"parameters": chosen}])
        found = pull(workspace)
        assert (found.exit_code, found.record_count) == (0, 12), found.message
        assert {asked.form["filterLogic"] for asked in redcap.asked if asked.content in ("ids", "record")} == {
            "[has_ms] = 1"
        }
        assert "fields[1]" not in redcap.of("ids")[0].form
    (path,) = landed(workspace, "study")
    assert set(json.loads(path.read_text())[0]) == {*SYSTEM, "study_id", "sex"}


@pytest.mark.parametrize("status", [307, 308])
def test_a_form_is_posted_anew_within_the_server_only_where_the_server_says_so(workspace, status):
    def moved(redcap, asked, reply):
        if asked.path == "/api/":
            reply.status, reply.body, reply.headers["Location"] = status, b"", "/moved/"

    with Redcap(people(2), moved) as redcap:
        redcap.source(workspace)
        assert pull(workspace).record_count == 12


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_way_that_loses_the_form_is_not_gone(workspace, status):
    def moved(redcap, asked, reply):
        reply.status, reply.body, reply.headers["Location"] = status, b"", "/moved/"

    with Redcap(people(2), moved) as redcap:
        redcap.source(workspace)
        found = pull(workspace)
        assert found.exit_code == 10
        assert "loses what was asked" in found.message
        assert len(redcap.asked) == 1


def test_a_form_with_the_token_goes_to_no_other_server(workspace):
    with Redcap(people(2)) as other:

        def moved(redcap, asked, reply):
            reply.status, reply.body, reply.headers["Location"] = 307, b"", f"{other.url}/api/"

        with Redcap(people(2), moved) as redcap:
            redcap.source(workspace)
            found = pull(workspace)
        assert found.exit_code == 10
        assert "another server" in found.message
        assert other.asked == []


def test_a_project_of_a_thousand_fields_is_read_in_seconds(workspace):
    """A statement that names every field must not take time by the square of their number."""
    kinds = [("radio", "0, A | 1, B", ""), ("checkbox", "1, A | 2, B", ""), ("text", "", "number_comma_decimal")]
    rows = [("study_id", "form0", "text", "", ""), *((f"f{n}", f"form{n // 20}", *kinds[n % 3]) for n in range(1200))]
    metadata = [dict(zip(METADATA[0], row, strict=True)) for row in rows]
    source = describe(workspace.folder("sources"), metadata=metadata, not_mapped={})
    said = {"study_id": "1", "f0": "1", "f2": "1,5", "f1198___2": "1"}
    path = canonical.write_csv(workspace.root / "records.csv", [said])
    begun = time.process_time()
    (found,) = explained(workspace, path, source)
    # Two seconds of one processor; by the square of their number it would be more than a minute.
    assert time.process_time() - begun < 30
    assert (found["f0__label"], found["f2"], found["f1198__labels"]) == ("B", "1.5", "B")
    assert found["redcap_filled"] == "form0|form59"


def test_the_dictionary_is_part_of_how_a_file_is_read(workspace):
    folder = workspace.folder("sources")
    before = describe(folder)
    assert describe(folder).fingerprint == before.fingerprint
    changed = [dict(entry) for entry in METADATA]
    changed[2]["select_choices_or_calculations"] = "1, Female | 0, Male"
    assert describe(folder, metadata=changed).fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks columns"),
        ("[1]", "no list of fields"),
        ("[{", "is no JSON"),
        ("[]", "has no fields"),
        (dictionary_csv([*METADATA, METADATA[2]]), "fields twice: sex"),
        (None, "is not there"),
    ],
)
def test_a_dictionary_that_cannot_be_read_is_named(workspace, text, message):
    folder = workspace.folder("sources")
    describe(folder)
    path = folder / "study" / "dictionary.csv"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(SourceError, match=message):
        sources(folder)


def test_the_metadata_of_the_api_is_the_same_dictionary(workspace):
    folder = workspace.folder("sources")
    before = describe(folder)
    (folder / "study" / "dictionary.csv").write_text(json.dumps(METADATA))
    assert sources(folder)["study"].explained == before.explained


TYPES = [
    ("record_id", "text", "", ""),
    ("comma", "text", "", "number_2dp_comma_decimal"),
    ("point", "text", "", "number_2dp"),
    ("dmy", "text", "", "date_dmy"),
    ("mdy", "text", "", "datetime_mdy"),
    ("seconds", "text", "", "datetime_seconds_dmy"),
    ("drop", "dropdown", "a, One, or two | -9, Unknown", ""),
    ("yes", "yesno", "", ""),
    ("true", "truefalse", "", ""),
    ("tick", "checkbox", "1, A | -2, B | C3, C", ""),
    ("sum", "calc", "[point] + 1", ""),
]


@pytest.mark.parametrize(
    ("column", "delivered", "seen"),
    [
        ("comma", "1,54", {"comma": "1.54"}),
        ("comma", "-0,5", {"comma": "-0.5"}),
        ("comma", "1.54", {"comma": "1.54"}),
        ("comma", "1.234,5", {"comma": "1.234,5"}),
        # A comma where the dictionary has none is no number.
        ("point", "1,54", {"point": "1,54"}),
        ("sum", "22.1", {"sum": "22.1"}),
        ("dmy", "2019-10-04", {"dmy": "2019-10-04"}),
        ("dmy", "04-10-2019", {"dmy": "2019-10-04"}),
        ("mdy", "2019-10-04 08:30", {"mdy": "2019-10-04 08:30:00"}),
        ("mdy", "10/04/2019 08:30", {"mdy": "2019-10-04 08:30:00"}),
        ("seconds", "04-10-2019 08:30:59", {"seconds": "2019-10-04 08:30:59"}),
        ("drop", "a", {"drop": "a", "drop__label": "One, or two"}),
        ("drop", "-9", {"drop": "-9", "drop__label": "Unknown"}),
        ("drop", "b", {"drop": "b", "drop__label": "b"}),
        ("yes", "1", {"yes": "1", "yes__label": "Yes"}),
        ("yes", "FALSE", {"yes": "0", "yes__label": "No"}),
        ("true", "0", {"true": "0", "true__label": "False"}),
        ("tick____2", "1", {"tick__codes": "-2", "tick__labels": "B"}),
        ("tick___c3", "Checked", {"tick__codes": "C3", "tick___c3": "1"}),
        ("tick___1", "0", {"tick__codes": None, "redcap_filled": "none"}),
        ("f_complete", "2", {"redcap_filled": "f"}),
        ("f_complete", "0", {"redcap_filled": "none"}),
        ("f_timestamp", "2019-10-04 08:30", {"f_timestamp": "2019-10-04 08:30:00", "redcap_filled": "f"}),
        ("f_timestamp", "[not completed]", {"f_timestamp": None, "redcap_filled": "none"}),
        ("redcap_data_access_group", "lund", {"redcap_data_access_group": "lund", "redcap_filled": "none"}),
        ("redcap_repeat_instance", "2", {"redcap_key": "a//b/2"}),
    ],
)
def test_a_value_is_seen_as_its_field_is_described(workspace, column, delivered, seen):
    metadata = [dict(zip(METADATA[0], (name, "f", *rest), strict=True)) for name, *rest in TYPES]
    source = describe(workspace.folder("sources"), metadata=metadata, not_mapped={})
    path = canonical.write_csv(workspace.root / "records.csv", [{"record_id": "a/b", column: delivered}])
    (found,) = explained(workspace, path, source)
    assert {name: found[name] for name in seen} == seen


def test_a_person_who_is_forgotten_leaves_every_batch_and_comes_back_by_none(workspace, now):
    with Redcap(people(4)) as redcap:
        redcap.source(workspace)
        pull(workspace)
        pipeline.ingest(workspace, now=now)
        assert pipeline.forget(workspace, "SECRET-PATIENT-2", "study", now=now).is_proved
        redcap.clock += timedelta(days=1)
        pull(workspace)
        assert pipeline.ingest(workspace, now=now).exit_code == 0
    assert canonical.query(workspace, "SELECT count(DISTINCT patient_id) FROM history.symptom_report") == [(3,)]
    kept = workspace.root / "archive" / "study"
    assert not [path for path in kept.iterdir() if b'"SECRET-PATIENT-2"' in path.read_bytes()]
