"""Real exports with traps whose right answers are known. They are no part of the project; without them these tests are skipped."""

import csv
import shutil

import duckdb
import pytest

from flows.pipeline import ingest
from flows.settings import create_workspace
from flows.stages.prepare import quarantine_name
from flows.warehouse import snapshot
from schemas.quoting import literal, quoted

FILES = {
    "floodlight": "floodlight/export-1.csv",
    "visible": "visible/export-2025.csv",
    "druglib": "druglib/train-damaged.tsv",
}


@pytest.fixture(scope="module")
def loaded(real_exports, tmp_path_factory, now):
    """A workspace with all of them, and what became of each at the first and at the second delivery."""
    workspace = create_workspace(tmp_path_factory.mktemp("real") / "workspace")
    first = {name: ingest(workspace, [real_exports / path], name, now=now) for name, path in FILES.items()}
    with snapshot(workspace) as con:
        before = con.execute("SELECT revision FROM ops.version").fetchone()
    second = {name: ingest(workspace, [real_exports / path], name, now=now) for name, path in FILES.items()}
    return workspace, first, second, before


def ask(workspace, sql):
    with snapshot(workspace) as con:
        return con.execute(sql).fetchall()


def counts(summary):
    (outcome,) = summary.files
    names = ("read_count", "admitted_count", "quarantined_count", "out_of_scope_count")
    return summary.exit_code, *(outcome.counts[name] for name in names)


def test_every_record_is_accounted_for(loaded):
    _, first, _, _ = loaded
    assert counts(first["floodlight"]) == (0, 5850, 5850, 0, 0)
    assert counts(first["visible"]) == (0, 11632, 10548, 0, 1084)
    assert counts(first["druglib"]) == (0, 4211, 3107, 1104, 0)


def test_a_second_delivery_changes_nothing(loaded):
    workspace, _, second, before = loaded
    for summary in second.values():
        assert (summary.exit_code, summary.is_published, summary.files[0].is_new) == (0, False, False)
    assert ask(workspace, "SELECT revision FROM ops.version") == [before]


def test_heights_in_feet_are_blanked_and_their_results_kept(loaded, real_exports):
    workspace = loaded[0]
    with (real_exports / FILES["floodlight"]).open(newline="") as file:
        rows = list(csv.reader(file))
    at = rows[0].index("participantHeightCms")
    low = [number for number, row in enumerate(rows[1:], start=1) if row[at] and float(row[at]) < 100]
    assert len(low) == 267
    found = ask(
        workspace,
        "SELECT record_number FROM ops.quarantine JOIN ops.file USING (file_id) WHERE source_system = 'floodlight' AND rule = 'height_cm_out_of_range' ORDER BY ALL",
    )
    assert [number for (number,) in found] == low
    assert ask(workspace, "SELECT min(height_cm) >= 100 FROM core.patient WHERE source_system = 'floodlight'") == [
        (True,)
    ]
    assert ask(workspace, "SELECT count(*) FROM core.outcome_assessment WHERE source_system = 'floodlight'") == [
        (5850,)
    ]


def test_the_birth_year_2016_is_blanked(loaded):
    found = ask(loaded[0], "SELECT DISTINCT action FROM ops.quarantine WHERE rule = 'birth_year_too_late'")
    assert found == [("blank",)]
    assert ask(loaded[0], "SELECT max(birth_year) < 2009 FROM core.patient WHERE source_system = 'floodlight'") == [
        (True,)
    ]


def test_sensor_outliers_are_admitted_with_a_warning(loaded):
    found = ask(
        loaded[0],
        "SELECT source_score FROM core.outcome_assessment WHERE list_contains(warnings, 'sensor_value_implausible')",
    )
    assert {round(score, 1) for (score,) in found} >= {9607.6, 1943.5}


def test_notes_and_device_measures_are_out_of_scope(loaded, real_exports):
    with (real_exports / FILES["visible"]).open(newline="") as file:
        categories = [row["tracker_category"] for row in csv.DictReader(file)]
    assert (categories.count("Measurement"), categories.count("Note")) == (1068, 16)


def test_fragments_of_damaged_reviews_are_refused_with_their_line(loaded, real_exports):
    workspace, first, _, _ = loaded
    path = real_exports / FILES["druglib"]
    kept = workspace.root / "quarantine" / quarantine_name("druglib", first["druglib"].files[0].file_key)
    lines = path.read_bytes().decode().split("\n")
    found = duckdb.sql(
        f"SELECT DISTINCT record_number, line, original FROM read_parquet({literal(str(kept))}) WHERE action = 'refuse' ORDER BY 1"
    ).fetchall()
    assert len(found) == 1104
    for _, line, original in found:
        assert lines[line - 1].rstrip("\r") == original.split("\n")[0].rstrip("\r")
        fields = original.split("\t")
        assert not (fields[0].isdigit() and len(fields) == 9 and fields[2] in map(str, range(1, 11)))


def longest_texts(path, column, delimiter=",", **where):
    with path.open(newline="", encoding="utf-8") as file:
        texts = {
            row[column]
            for row in csv.DictReader(file, delimiter=delimiter)
            if row.get(column) and all(row[k] == v for k, v in where.items())
        }
    return sorted(texts, key=len)[-25:]


def test_free_text_is_nowhere_but_where_the_file_itself_is(loaded, real_exports):
    workspace = loaded[0]
    notes = longest_texts(real_exports / FILES["visible"], "observation_value ", tracker_category="Note")
    reviews = longest_texts(real_exports / FILES["druglib"], "commentsReview", "\t")
    canaries = [text.strip()[:60] for text in notes + reviews if len(text.strip()) > 12]
    assert len(canaries) > 20
    folder = workspace.root / "searched"
    folder.mkdir()
    for file in (workspace.warehouse, workspace.snapshot):
        copy = shutil.copy(file, folder / file.name)  # never the live file itself
        data = copy.read_bytes()
        assert [text for text in canaries if text.encode() in data] == []
        with duckdb.connect(str(copy), read_only=True) as con:
            columns = con.execute(
                "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal AND data_type LIKE 'VARCHAR%' AND schema_name IN ('history', 'ops', 'marts')"
            ).fetchall()
            assert len(columns) > 50
            for schema, table, column, _ in columns:
                text = f"{quoted(column)}::VARCHAR"
                sql = f"SELECT count(*) FROM {quoted(schema)}.{quoted(table)} WHERE list_bool_or(list_transform($canaries, canary -> contains({text}, canary)))"
                assert con.execute(sql, {"canaries": canaries}).fetchone() == (0,), (schema, table, column)
    for place in ("data-docs", "logs", "published"):
        for path in (workspace.root / place).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert [text for text in canaries if text.encode() in data] == [], path
