"""What is delivered while a run is under way, by others, or anew: nothing is lost, and nothing counts twice."""

import hashlib
import subprocess
import sys

import pytest
from canonical import query, record, write, write_csv
from commands import outcomes

from flows import pipeline
from flows.errors import NotFoundError, UsageError
from flows.pipeline import ingest
from flows.settings import open_workspace

LAB = """
name: lab
description: A laboratory
files: [{match: 'lab*.csv', feeds: [patient]}]
columns: [{name: id, required: true}, {name: code}]
"""


def consents(workspace, name, ids):
    return write_csv(workspace.folder("landing", "canonical") / name, [record("consent", i) for i in ids])


def test_a_file_delivered_under_the_same_name_meanwhile_is_taken_next(workspace, now, monkeypatch):
    first = consents(workspace, "consent.csv", ["a1", "a2"]).read_bytes()
    judge = pipeline.gate.judge

    def deliver_meanwhile(*arguments):
        fresh = consents(workspace, ".consent.csv.tmp", ["b1", "b2", "b3"])
        fresh.replace(fresh.with_name("consent.csv"))
        return judge(*arguments)

    monkeypatch.setattr(pipeline.gate, "judge", deliver_meanwhile)
    ingest(workspace, now=now)
    monkeypatch.undo()
    archived = workspace.root / "archive" / "canonical" / hashlib.sha256(first).hexdigest()
    assert archived.read_bytes() == first
    (second,) = ingest(workspace, now=now).files
    assert second.counts["admitted_count"] == 3
    assert query(workspace, "SELECT count(*) FROM history.consent") == [(5,)]


def test_two_runs_at_once_take_every_file_once_and_both_end_well(workspace):
    for name in "abc":
        consents(workspace, f"consent-{name}.csv", [f"{name}1", f"{name}2"])
    runs = [outcomes(workspace.root, "ingest") for _ in range(2)]
    assert [run.wait().returncode for run in runs] == [0, 0], [run.err for run in runs]
    assert query(workspace, "SELECT count(*), count(DISTINCT record_id) FROM history.consent") == [(6, 6)]
    assert query(workspace, "SELECT count(*), sum(admitted_count) FROM ops.file") == [(3, 6)]
    assert not list((workspace.root / "landing" / "canonical").iterdir())
    assert not list((workspace.root / "spool" / "canonical").iterdir())


def lab(workspace, sex_of_1):
    write(workspace.root / "sources" / "lab.yaml", LAB)
    other = {"male": "female", "female": "male"}[sex_of_1]
    write(
        workspace.root / "sources" / "lab" / "patient.sql",
        f"SELECT record_number, id AS source_record_id, id AS source_patient_id, CASE code WHEN '1' THEN '{sex_of_1}' ELSE '{other}' END AS sex FROM raw",
    )


def test_a_file_taken_again_replaces_what_its_first_take_read_otherwise(workspace, now):
    lab(workspace, "male")
    rows = "".join(f"p{n},{1 if n < 30 else 2}\n" for n in range(40))
    write(workspace.folder("landing", "lab") / "lab.csv", f"id,code\n{rows}")
    ingest(workspace, now=now)
    lab(workspace, "female")
    (again,) = ingest(workspace, now=now, again=1).files
    assert again.counts["admitted_count"] == 40
    assert query(workspace, "SELECT sex, count(*) FROM core.patient GROUP BY ALL ORDER BY ALL") == [
        ("female", 30),
        ("male", 10),
    ]


def test_a_file_taken_again_ends_what_it_no_longer_yields(workspace, now):
    lab(workspace, "male")
    write(workspace.folder("landing", "lab") / "lab.csv", "id,code\np1,1\np2,1\n")
    ingest(workspace, now=now)
    select = workspace.root / "sources" / "lab" / "patient.sql"
    select.write_text(select.read_text() + " WHERE id <> 'p2'")
    (again,) = ingest(workspace, now=now, again=1).files
    # One record of two feeds nothing now: more than the tolerance, so an operator has to say so.
    assert again.status == "held"
    assert query(workspace, "SELECT count(*) FROM core.patient") == [(2,)]
    pipeline.decide(workspace, again.file_id, is_admitted=True, reason="the source is right now", now=now)
    assert query(workspace, "SELECT count(*) FROM core.patient") == [(1,)]


@pytest.mark.parametrize("name", ["..", "a/b", "A", "", ".x"])
def test_a_source_cannot_be_named_like_another_place(workspace, now, name):
    write(
        workspace.root / "sources" / "bad.yaml",
        f"name: '{name}'\ndescription: x\nfiles: [{{match: '*.toml', feeds: [patient]}}]\n",
    )
    with pytest.raises(UsageError, match="name"):
        ingest(workspace, now=now)
    assert open_workspace(workspace.root).key()


def test_a_warehouse_that_is_gone_is_not_made_anew_over_what_was_published(workspace, now):
    consents(workspace, "consent.csv", ["a1"])
    ingest(workspace, now=now)
    workspace.warehouse.unlink()
    consents(workspace, "consent-next.csv", ["a2"])
    with pytest.raises(NotFoundError, match=r"cp .*outcomes\.duckdb .*warehouse\.duckdb"):
        ingest(workspace, now=now)
    assert (workspace.root / "landing" / "canonical" / "consent-next.csv").exists()


def test_a_published_file_that_is_damaged_is_published_anew(workspace, now):
    consents(workspace, "consent.csv", ["a1"])
    ingest(workspace, now=now)
    workspace.snapshot.write_bytes(b"no database")
    assert ingest(workspace, now=now).is_published


def test_what_a_killed_run_left_in_the_spool_is_swept(workspace, now):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    left = workspace.folder("spool", "canonical", f".{dead}-1-key")
    write(left / "raw.parquet", "x")
    consents(workspace, "consent.csv", ["a1"])
    ingest(workspace, now=now)
    assert not left.exists()


def test_a_source_s_basis_of_consent_counts_as_its_yaml_says_now(workspace, now):
    lab(workspace, "male")
    yaml = workspace.root / "sources" / "lab.yaml"
    yaml.write_text(LAB + "consent: {basis: by contract}\n")
    write(workspace.folder("landing", "lab") / "lab.csv", "id,code\np1,1\n")
    ingest(workspace, now=now)
    assert query(workspace, "SELECT count(*) FROM core.consented_patient") == [(1,)]
    yaml.write_text(LAB)
    pipeline.report(workspace, now=now)
    assert query(workspace, "SELECT count(*) FROM core.consented_patient") == [(0,)]
