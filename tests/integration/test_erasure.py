"""A person who asks to be forgotten leaves every file, comes back by none, and is missed by nobody's numbers."""

import gzip
import json
import signal
from functools import partial
from pathlib import Path

import canonical
import duckdb
import pyarrow.parquet as pq
import pytest
from canonical import core, query, record, write, write_csv
from commands import outcomes
from driver import dying_in

from flows import pipeline
from flows.errors import PipelineError
from flows.pipeline import ingest
from flows.settings import create_workspace, open_workspace
from flows.stages.forgotten import pseudonym, tombstone
from flows.warehouse import scratch, snapshot

WHO, CANARY = "member-0042", "canary-sings-of-0042"
NOTES = """
name: notes
description: A tracker with notes
files: [{match: 'notes*.csv', feeds: [symptom_report]}]
delimiter: ';'
encoding: utf-16
columns: [{name: id, required: true}, {name: who}, {name: day}, {name: kind}, {name: text}]
not_mapped: {kind: [note]}
"""
SELECT = """
SELECT record_number, id AS source_record_id, who AS source_patient_id, day AS reported_on, 'fatigue' AS symptom_code, text AS severity FROM raw
"""


def everything(workspace, *, but=()):
    """Every text in every file, decompressed where need be, by code that shares nothing with the erasure's own search."""
    for path in workspace.root.rglob("*"):
        if not path.is_file() or path.name in but:
            continue
        content = path.read_bytes()
        yield path, content
        yield path, content.decode("utf-16", "replace").encode()
        if content[:2] == b"\x1f\x8b":
            yield path, gzip.decompress(content)
        if path.suffix == ".parquet":
            yield path, repr(pq.read_table(path).to_pylist()).encode()
    with duckdb.connect(str(workspace.snapshot), read_only=True) as con:
        for schema, table in con.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
            yield table, repr(con.execute(f'FROM "{schema}"."{table}"').fetchall()).encode()


def left_of(workspace, *needles):
    return sorted(
        {str(where) for where, text in everything(workspace) for needle in needles if needle.encode() in text}
    )


def people(number):
    return [f"member-{n:04}" for n in range(number)]


def hundred_members(root):
    """A hundred members, of whom one has records that are admitted, refused, blanked, rejected, out of scope and held."""
    workspace = create_workspace(root)
    (root / "outcomes.toml").write_text("data_docs = false\n")
    landing = workspace.folder("landing", "canonical")
    names = people(100)
    write_csv(landing / "patient.csv", [record("patient", n, source_patient_id=n, sex="female") for n in names])
    reports = [record("symptom_report", f"r-{n}", source_patient_id=n, symptom_code="fatigue") for n in names]
    reports.append(record("symptom_report", CANARY, source_patient_id=WHO, severity="7"))
    header, *lines = write_csv(landing / "symptom_report.csv", reports).read_text().splitlines(keepends=True)
    lines.insert(50, f"{CANARY} too few,{WHO}\n")
    (landing / "symptom_report.csv").write_text(header + "".join(lines))
    write_csv(
        landing / "consent.csv",
        [record("consent", f"c-{n}", source_patient_id=n, scope="aggregate_release", status="granted") for n in names],
    )
    # Half of it is refused, so it is held.
    held = [record("fall_report", f"f-{n}", source_patient_id=n, fall_count="-1") for n in (WHO, "member-0001")]
    write_csv(landing / "fall_report.csv", held)
    write(workspace.root / "sources" / "notes.yaml", NOTES)
    write(workspace.root / "sources" / "notes" / "symptom_report.sql", SELECT)
    rows = (
        "".join(f"n{n};{n};2025-01-02;symptom;1\n" for n in names)
        + f'x;{WHO};2025-01-02;note;"{CANARY}\nin two lines"\n'
    )
    write(workspace.folder("landing", "notes") / "notes.csv", f"id;who;day;kind;text\n{rows}".encode("utf-16"))
    ingest(open_workspace(root), now=canonical.NOW)


def reported(root):
    hundred_members(root)
    pipeline.report(open_workspace(root), now=canonical.NOW)


@pytest.fixture
def delivered(tmp_path, ready):
    """A workspace with these members."""
    return open_workspace(ready.copy("hundred members", tmp_path / "delivered", hundred_members))


@pytest.fixture
def with_report(tmp_path, ready):
    """The same with a report on them."""
    return open_workspace(ready.copy("hundred members, reported", tmp_path / "reported", reported))


def forget(workspace, now, source="canonical"):
    return pipeline.forget(workspace, WHO, source, now=now)


def test_python_and_sql_make_the_same_tombstone(workspace):
    key, who = workspace.key(), pseudonym(workspace.key(), "källa", "ид 7")
    block = key.ljust(64, b"\0")
    pads = {"i": bytes(b ^ 0x36 for b in block).hex(), "o": bytes(b ^ 0x5C for b in block).hex()}
    with scratch(workspace.settings, workspace.root) as con:
        found = con.execute("SELECT patient_uuid($i, $o, 'källa', 'ид 7') AS p, tombstone($i, $o, p)", pads).fetchone()
    assert found == (who, tombstone(key, who))


def test_nothing_of_the_person_is_left_in_any_file(with_report, now):
    assert left_of(with_report, WHO), "the search must be able to find"
    assert left_of(with_report, CANARY)
    assert left_of(with_report, str(pseudonym(with_report.key(), "canonical", WHO)))
    for source in ("canonical", "notes"):
        assert forget(with_report, now, source).is_proved
    ids = [pseudonym(with_report.key(), source, WHO) for source in ("canonical", "notes")]
    assert left_of(with_report, WHO, CANARY, *map(str, ids), *(i.hex for i in ids)) == []
    assert query(
        with_report, "SELECT file_count, record_count, proved_at IS NOT NULL FROM ops.erasure ORDER BY ALL"
    ) == [
        (1, 2, True),
        (4, 6, True),
    ]


def test_everybody_else_stays_as_they_were(delivered, now, tmp_path):
    before = query(delivered, "FROM history.symptom_report ORDER BY ALL")
    forget(delivered, now)
    gone = pseudonym(delivered.key(), "canonical", WHO)
    assert query(delivered, "FROM history.symptom_report ORDER BY ALL") == [row for row in before if row[1] != gone]
    # The archive gives the same records under the same numbers.
    ids = query(delivered, "SELECT file_id FROM ops.file WHERE status = 'admitted' ORDER BY file_id")
    numbers = query(delivered, "SELECT record_id, record_number FROM history.symptom_report ORDER BY ALL")
    for (file_id,) in ids:
        (again,) = ingest(delivered, now=now, again=file_id).files
        assert again.status == "admitted"
        assert again.counts["admitted_count"] == again.counts["duplicate_count"] == 0
    assert query(delivered, "SELECT record_id, record_number FROM history.symptom_report ORDER BY ALL") == numbers
    assert left_of(delivered, WHO + ",") == []


@pytest.mark.parametrize("source", ["canonical", "notes"])
def test_a_redelivered_export_brings_nobody_back(delivered, now, tmp_path, source):
    exports = {
        name: (tmp_path / name) for name in ("symptom_report.csv", "patient.csv", "notes.csv", "fall_report.csv")
    }
    for digest, name, origin in query(delivered, "SELECT sha256, file_name, source_system FROM ops.file"):
        if name in exports:
            exports[name].write_bytes((delivered.root / "archive" / origin / digest).read_bytes())
    forget(delivered, now, source)
    tables = core(delivered, "patient", "symptom_report")
    names = ["notes.csv"] if source == "notes" else ["symptom_report.csv", "patient.csv", "fall_report.csv"]
    same = ingest(delivered, [exports[name] for name in names], source, now=now).files
    assert not any(outcome.is_new for outcome in same)
    for name in names:
        other = exports[name].with_name(f"{Path(name).stem}-next.csv")
        content = exports[name].read_bytes()
        # The same records in other bytes: a new file.
        other.write_bytes(content + ("\n".encode("utf-16")[2:] if source == "notes" else b"\n"))
        (outcome,) = ingest(delivered, [other], source, now=now).files
        assert outcome.is_new
    assert core(delivered, "patient", "symptom_report") == tables
    assert left_of(delivered, str(pseudonym(delivered.key(), source, WHO))) == []
    if source == "canonical":
        kept = [p for p in (delivered.root / "archive" / "canonical").iterdir() if WHO.encode() in p.read_bytes()]
        assert kept == []


def test_a_file_prepared_before_the_erasure_brings_nobody_back(delivered, now, monkeypatch):
    fresh = record("symptom_report", "r-new", source_patient_id=WHO, symptom_code="fatigue")
    others = [record("symptom_report", f"new-{n}", source_patient_id=n, symptom_code="pain") for n in people(40)]
    write_csv(delivered.folder("landing", "canonical") / "symptom_report-new.csv", [fresh, *others])
    settle = pipeline.settle

    def forget_meanwhile(*arguments):
        monkeypatch.undo()
        forget(delivered, now)
        return settle(*arguments)

    monkeypatch.setattr(pipeline, "settle", forget_meanwhile)
    (outcome,) = ingest(delivered, now=now).files
    assert (outcome.counts["admitted_count"], outcome.counts["out_of_scope_count"]) == (40, 1)
    assert left_of(delivered, WHO + ",") == []


def test_a_killed_erasure_is_ended_by_the_same_command(delivered, now):
    for step in ("erase.records_of", "erase.out_of_history", "erase.compact", "publish.publish", "erase.certify"):
        killed = outcomes(delivered.root, "forget", WHO, before=partial(dying_in, f"flows.stages.{step}")).wait()
        assert killed.returncode == -signal.SIGKILL, killed.err
    assert forget(delivered, now).is_proved
    assert left_of(delivered, str(pseudonym(delivered.key(), "canonical", WHO))) == []
    assert query(delivered, "SELECT count(*), count(proved_at) FROM ops.erasure") == [(1, 1)]


def test_what_is_left_is_named_and_the_command_fails(delivered, now):
    write(delivered.root / "landing" / "canonical" / "unfinished.csv.part", f"x,{WHO}\n")
    done = outcomes(delivered.root, "forget", "-", given=f"{WHO}\n").wait()
    assert done.returncode == PipelineError.exit_code
    assert "unfinished.csv.part" in done.err
    assert WHO not in done.err + done.out
    (delivered.root / "landing" / "canonical" / "unfinished.csv.part").unlink()
    assert outcomes(delivered.root, "forget", "-", given=f"{WHO}\n").wait().returncode == 0


def test_an_analyst_reads_on_in_the_compacted_file(with_report, now):
    with snapshot(with_report) as con:
        views = con.execute(
            "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        comments = con.execute("SELECT count(comment) FROM duckdb_columns()").fetchone()
    forget(with_report, now)
    with snapshot(with_report) as con:
        assert (
            con.execute("SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL").fetchall()
            == views
        )
        assert con.execute("SELECT count(comment) FROM duckdb_columns()").fetchone() == comments
        assert con.execute("SELECT count(*) FROM core.consented_patient").fetchone() == (99,)
    assert oct(with_report.warehouse.stat().st_mode & 0o777) == "0o600"


JSON_SOURCE = """
name: {name}
description: An export in JSON
files: [{{match: '*', feeds: [symptom_report]}}]
format: {form}
columns: [{{name: id, required: true}}, {{name: subject}}, {{name: day}}, {{name: about}}, {{name: text}}]
"""
JSON_SELECT = """
SELECT record_number, id AS source_record_id, subject->>'$.reference' AS source_patient_id, day AS reported_on, 'fatigue' AS symptom_code,
    text AS severity
FROM raw
"""


def json_reports(names):
    """One of each, and of WHO besides: one that the contract refuses, one that no reader takes, and a member of no known name."""
    made = [{"id": f"r-{n}", "subject": {"reference": n}, "day": "2025-01-02", "text": "1"} for n in names]
    refused = {"id": CANARY, "subject": {"reference": WHO}, "day": "2025-01-02", "text": CANARY}
    unowned = {"id": "", "about": [{"who": [WHO]}], "said": CANARY}
    broken = json.dumps(refused)[:-1] + ', "id": "twice"}'
    texts = [json.dumps(report) for report in (*made[:50], refused, unowned, *made[50:])]
    return [*texts[:10], broken, *texts[10:]]


@pytest.mark.parametrize(
    ("when", "form"), [("archived", "ndjson"), ("archived", "json"), ("archived", "bundle"), ("landed", "bundle")]
)
def test_json_is_rewritten_without_the_person(workspace, now, form, when):
    names = people(100)
    said = JSON_SOURCE.format(name="api", form="ndjson" if form == "ndjson" else "json")
    said += "records: '$.entry[*].resource'\n" if form == "bundle" else ""
    write(workspace.root / "sources" / "api.yaml", said)
    write(workspace.root / "sources" / "api" / "symptom_report.sql", JSON_SELECT)
    texts = json_reports(names)
    if form == "bundle":
        texts = [f'{{"url": "about/{WHO if WHO in text else "others"}", "resource": {text}}}' for text in texts]
    content = {
        "ndjson": "".join(f"{text}\n" for text in texts),
        "json": "[" + ",\n ".join(texts) + "]\n",
        "bundle": '{"total": 103, "entry": [' + ", ".join(texts) + '], "link": []}',
    }[form]
    path = write(workspace.folder("landing", "api") / "reports", content)
    if when == "archived":
        assert ingest(workspace, now=now).files[0].status == "admitted"
        before = query(workspace, "SELECT record_number FROM history.symptom_report ORDER BY ALL")
        assert left_of(workspace, CANARY)
    assert forget(workspace, now, "api").is_proved
    assert left_of(workspace, WHO, CANARY) == []
    if when == "archived":
        (again,) = ingest(workspace, now=now, again=1).files
        counts = again.counts
        assert (counts["read_count"], counts["out_of_scope_count"], counts["unchanged_count"]) == (103, 4, 99)
        after = query(workspace, "SELECT record_number FROM history.symptom_report ORDER BY ALL")
        assert set(after) < set(before)
        assert len(after) == 99
    else:
        assert (
            [json.loads(text) for text in path.read_text().splitlines()]
            if form == "ndjson"
            else json.loads(path.read_text())
        )
        (outcome,) = ingest(workspace, now=now).files
        assert (outcome.counts["read_count"], outcome.counts["admitted_count"]) == (99, 99)
