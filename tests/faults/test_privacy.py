"""No value of a person leaves the folders that are meant for it: canaries in every column, everything else searched for them."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from canonical import csv_text, record, write
from faultlog import tried

from flows.settings import create_workspace, open_workspace
from schemas.contract import TABLES, contract

ROOT = Path(__file__).parents[2]
CANARY = "kanari3nvogel"
# Where the originals are meant to be.
ORIGINALS = ("landing", "archive", "quarantine", "sources")
RUN = """
import logging, sys
from pathlib import Path
logging.basicConfig(level=logging.DEBUG)
from deployments.local_server import serving
import os
from flows.settings import open_workspace
root = open_workspace(Path(sys.argv[1])).root
loud = {name: value for name, value in os.environ.items() if name.startswith("PREFECT_")}
with serving(root / "prefect") as variables:
    os.environ.update(variables | loud)
    from flows import deployed
    print(deployed.ingest(root, reason="canaries"))
    print(deployed.report(root, reason="canaries"))
    try:
        deployed.ingest(root, [root / "nowhere.csv"], reason="an error on purpose")
    except Exception:
        logging.exception("as meant")
    deployed.send_rest()
"""


def hostile_rows(table):
    """For each column a record whose value there is a canary, and one that is good but for its names and an unknown column."""
    columns = [c for c in contract(table).delivered_columns if not c.is_open]
    for n, column in enumerate(columns):
        yield record(table, f"{CANARY}-{table}-{n}", source_patient_id=f"{CANARY}-p{n}") | {
            column.delivered_name: f"{CANARY}-in-{column.name}",
            "a_free_text": f"{CANARY} wrote this",
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The workspace after a tracked run with everything at the level of debugging, and what was printed."""
    root = create_workspace(tmp_path_factory.mktemp("canaries") / "ws").root
    workspace = open_workspace(root)
    landing = workspace.folder("landing", "canonical")
    for table in TABLES:
        rows = list(hostile_rows(table))
        tried("canaries", len(rows))
        good = [record(table, f"{CANARY}-g{n}", source_patient_id=f"{CANARY}-p{n}") for n in range(400)]
        write(landing / f"{table}.csv", csv_text([*good, *rows]))
    write(landing / "consent-held.csv", csv_text(list(hostile_rows("consent"))))
    write(landing / "consent-unreadable.csv", f"source_record_id,{CANARY}\n{CANARY}\xe9,x\n".encode("cp1252"))
    write(landing / "consent-broken.csv", csv_text([record("consent", "x")]) + f'"{CANARY} never closed,\n')
    loud = {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG", "PREFECT_DEBUG_MODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, root],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        cwd=ROOT,
        env={**os.environ, **loud},
        umask=0o022,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "an error on purpose" in done.stdout + done.stderr or "as meant" in done.stderr
    return workspace, done.stdout + done.stderr


def test_the_run_went_through_all_that_can_become_of_a_file(run):
    workspace, _ = run
    with duckdb.connect(str(workspace.snapshot), read_only=True) as con:
        found = dict(con.execute("SELECT status, count(*) FROM ops.file GROUP BY ALL").fetchall())
        assert set(found) == {"admitted", "held", "unreadable"}
        actions = {a for (a,) in con.execute("SELECT DISTINCT action FROM ops.quarantine").fetchall()}
        assert actions == {"refuse", "blank"}
    kept = b"".join(path.read_bytes() for path in (workspace.root / "archive").rglob("*") if path.is_file())
    assert CANARY.encode() in kept, "the search must be able to find"


def test_no_log_and_nothing_printed_names_a_person(run):
    assert [line[:200] for line in run[1].splitlines() if CANARY in line] == []


def test_no_file_but_the_originals_names_a_person(run):
    workspace, _ = run
    found = set()
    for path in workspace.root.rglob("*"):
        place = path.relative_to(workspace.root)
        if not path.is_file() or place.parts[0] in ORIGINALS:
            continue
        if CANARY.encode() in path.read_bytes():
            found.add(str(place))
        if path.suffix == ".parquet" and CANARY in repr(pq.read_table(path).to_pylist()):
            found.add(str(place))
    assert found == set()


def test_no_table_that_analysts_open_names_a_person(run):
    workspace, _ = run
    found = set()
    with duckdb.connect(str(workspace.snapshot), read_only=True) as con:
        columns = con.execute(
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() USING (schema_name, table_name)"
        ).fetchall()
        for schema, table, column in columns:
            (count,) = con.execute(
                f'SELECT count(*) FROM "{schema}"."{table}" WHERE contains("{column}"::VARCHAR, ?)', [CANARY]
            ).fetchone()
            if count:
                found.add((schema, table, column))
    assert found == set()


def test_everything_is_for_the_owner_alone_whoever_called(run):
    workspace, _ = run
    mine = [
        p
        for p in workspace.root.rglob("*")
        if not p.is_symlink() and p.relative_to(workspace.root).parts[0] != "landing"
    ]
    assert [str(path) for path in mine if path.stat().st_mode & 0o077] == []
