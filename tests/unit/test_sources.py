"""A source's YAML: what it may say, and how a mistake in it is named."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from canonical import prepare, record, spooled, write, write_csv

from flows.errors import UnreadableError
from schemas.contract import TABLES
from schemas.sources import SourceError, sources

LEAST = "name: own\ndescription: A source of this workspace\nfiles: [{match: '*.csv', feeds: [consent]}]\n"
COLUMNS = "columns: [{name: id, required: true}, {name: who, required: true}, {name: since, as: effective_at}, {name: kind}]\n"
SELECT = "SELECT record_number, id AS source_record_id, who AS source_patient_id, 'research' AS scope, 'granted' AS status, coalesce(effective_at, '2024-01-01') AS effective_at FROM raw"


@pytest.fixture
def own(workspace):
    """The source that a YAML in the workspace describes, with the SELECT of its table consent."""

    def make(text: str = LEAST + COLUMNS, select: str = SELECT):
        folder = workspace.folder("sources")
        write(folder / "own.yaml", text)
        write(folder / "own" / "consent.sql", select)
        return sources(folder)["own"]

    return make


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "not YAML"),
        ("- own\n", "no `name: value` pairs"),
        ("own\n", "no `name: value` pairs"),
        ("name: own\n", "description: is not there"),
        (LEAST.replace("consent", "visit"), r"feeds unknown tables \['visit'\]"),
        (LEAST + "colour: red\n", "colour: is no name that is known here"),
        (LEAST + "columns: [{name: a, position: 1}]\n", "either by `name` or by `position`"),
        (LEAST + "columns: [{required: true}]\n", "either by `name` or by `position`"),
        (LEAST + "columns: [{name: a}, {name: b, as: a}]\n", r"columns \['a'\] have a name in `raw` twice"),
        (LEAST + "columns: [{name: a, pattern: '['}]\n", "is no regular expression"),
        (LEAST + "delimiter: '||'\n", "the delimiter must be one ASCII character"),
        (LEAST + "quote: ''\n", "the quote must be one ASCII character"),
        (LEAST + "encoding: utf-9\n", "unknown encoding 'utf-9'"),
        (LEAST + "time_zone: Mars/Olympus\n", "unknown encoding 'utf-8' or time zone 'Mars/Olympus'"),
        (LEAST + "exported_at: {file_name: '([0-9]+)-([0-9]+)'}\n", "must have one group"),
        (LEAST + "extends: nothing\n", "own.yaml: `extends` names no bundled source"),
        (LEAST + "extends: ../canonical\n", "own.yaml: `extends` names no bundled source"),
        (LEAST + "tolerance: 2\n", "tolerance: Input should be less than or equal to 1"),
    ],
)
def test_a_mistake_in_a_source_is_named_with_its_file(own, text, message):
    with pytest.raises(SourceError, match=message) as error:
        own(text)
    assert "own.yaml" in str(error.value)


def test_a_workspace_s_source_wins_over_a_bundled_one_of_its_name(workspace):
    write(workspace.folder("sources") / "mine.yaml", LEAST.replace("own", "canonical"))
    assert sources(workspace.folder("sources"))["canonical"].description == "A source of this workspace"
    assert set(sources()) == {"canonical", "druglib", "fhir", "floodlight", "platform", "visible"}


def test_the_canonical_source_takes_one_kind_of_file_a_table():
    canonical = sources()["canonical"]
    assert {table: canonical.pattern_for(f"{table}-2025-04-24.csv").feeds for table in TABLES} == {
        table: (table,) for table in TABLES
    }
    assert canonical.pattern_for("PATIENT.CSV").feeds == ("patient",)
    assert canonical.pattern_for("notes.txt") is None


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("patient-2025-04-24.csv", "2025-04-24"),
        ("patient-2025-04-24T060000Z.csv", "2025-04-24T060000Z"),
        ("patient-2025-04-24-1a2b3c4d.csv", "2025-04-24"),
        ("patient.csv", None),
        ("patient-20250424.csv", None),
    ],
)
def test_a_canonical_file_s_name_states_its_export(name, stated):
    assert sources()["canonical"].stated_export_time(name) == stated


def test_a_name_that_states_an_impossible_time_is_refused(workspace):
    path = write_csv(workspace.root.parent / "consent-2025-13-45.csv", [record("consent", "a")])
    with pytest.raises(UnreadableError, match="states a time of export that is no time: 2025-13-45"):
        prepare(workspace, path)


def test_a_new_export_format_needs_no_python(workspace, own):
    path = write(workspace.root.parent / "export.csv", "who,ID,since,kind\np1,c1,2024-05-01,x\n")
    (row,) = spooled(prepare(workspace, path, own()), "consent")
    assert (row["scope"], row["effective_at"].date().isoformat()) == ("research", "2024-05-01")


def test_a_select_may_name_a_column_that_this_file_can_do_without(workspace, own):
    path = write(workspace.root.parent / "export.csv", "who,ID\np1,c1\n")
    (row,) = spooled(prepare(workspace, path, own()), "consent")
    assert row["effective_at"].date().isoformat() == "2024-01-01"


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("SELECT record_number, nothing_there FROM raw", 'Referenced column "nothing_there" not found'),
        ("SELEKT 1", "syntax error"),
        ("SELECT record_number, id::INTEGER AS source_record_id FROM raw", "a value cannot be converted"),
    ],
)
def test_a_select_that_does_not_run_is_named_without_a_value_of_a_record(workspace, own, select, message):
    path = write(workspace.root.parent / "export.csv", "who,id\nSECRET-PERSON,SECRET-RECORD\n")
    with pytest.raises(UnreadableError, match=message) as refused:
        prepare(workspace, path, own(select=select))
    assert "SECRET" not in str(refused.value)
    assert "the SELECT of source 'own' for consent" in str(refused.value)


def test_a_record_that_a_select_leaves_out_is_refused_not_lost(workspace, own):
    path = write(workspace.root.parent / "export.csv", "who,id\np1,c1\np2,c2\n")
    prepared = prepare(workspace, path, own(select=SELECT + " WHERE id <> 'c1'")).prepared
    assert (prepared.read_count, prepared.quarantined_count, prepared.tables) == (2, 1, {"consent": 1})


def test_a_change_of_yaml_or_select_changes_the_fingerprint(own):
    first = own().fingerprint
    assert own(select=SELECT + " ").fingerprint != first
    assert own(LEAST + COLUMNS + "tolerance: 0.5\n").fingerprint != first
    assert own().fingerprint == first


def test_the_fingerprint_of_a_reading_is_the_same_in_another_process():
    code = (
        "from flows.stages.prepare import fingerprint; from schemas.contract import TABLES; from schemas.sources import sources; "
        "print(fingerprint(sources()['canonical'], TABLES))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in "123"
    }
    assert len(seen) == 1


def test_files_of_one_source_may_differ_in_format(workspace):
    folder = workspace.folder("sources")
    files = "files: [{match: 'all*.json', feeds: [consent], format: json, records: '$.all[*]'}, {match: '*', feeds: [consent]}]\n"
    write(folder / "mixed.yaml", f"name: mixed\ndescription: Both\nformat: ndjson\n{files}")
    mixed = sources(folder)["mixed"]
    assert (mixed.for_file("all-1.json").format, mixed.for_file("all-1.json").records) == ("json", "$.all[*]")
    assert mixed.for_file("some.ndjson") is mixed
    write(
        folder / "mixed.yaml", f"name: mixed\ndescription: Both\nformat: ndjson\n{files.replace('format: json, ', '')}"
    )
    with pytest.raises(SourceError, match="says `records` beside a `format` only"):
        sources(folder)


DICTIONARY = (
    "field_name,form_name,field_type,select_choices_or_calculations,text_validation_type_or_show_slider_number\n"
    "record_id,visit,text,,\n"
)


def test_the_examples_of_the_handbook_can_be_read(tmp_path):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    examples = dict(re.findall(r"```yaml\nname: (\w+)(.*?)```", text, re.DOTALL))
    for name, rest in examples.items():
        write(tmp_path / f"{name}.yaml", f"name: {name}{rest}")
        write(tmp_path / name / "dictionary.csv", DICTIONARY)
    found = sources(tmp_path)
    assert {found[name].api.kind for name in examples} == {"rest", "fhir_bulk", "redcap"}
