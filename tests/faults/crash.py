"""A workspace with everything in it that a run can trip over, and all that it ends in, to be compared with another's."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from canonical import record, write, write_csv
from commands import finished, outcomes
from ready import Ready, copied

from flows.settings import create_workspace

Arguments = tuple[str, ...]
INGEST: Arguments = ("ingest",)
REPORT: Arguments = ("report", "--on", "2025-12-31")
LAB = """
name: lab
description: A laboratory
files: [{match: 'lab*.csv', feeds: [patient]}]
columns: [{name: id, required: true}, {name: code}]
"""


def deliver(root: Path) -> Path:
    """A new workspace: two sources, five files, with refused, blanked and rejected records, a held file and an unreadable one."""
    workspace = create_workspace(root)
    (root / "outcomes.toml").write_text("data_docs = false\nlock_wait_seconds = 20\n")
    landing = workspace.folder("landing", "canonical")
    names = [f"p{n}" for n in range(30)]
    patients = [record("patient", n, source_patient_id=n, sex="female", condition_code="ms") for n in names]
    patients[3]["birth_year"] = "2016"
    write_csv(landing / "patient.csv", patients)
    reports = [record("symptom_report", f"r{n}", source_patient_id=n, symptom_code="fatigue") for n in names]
    reports[7]["severity"] = "9"
    text = write_csv(landing / "symptom_report.csv", reports).read_text()
    (landing / "symptom_report.csv").write_text(text + "too,few\n")
    write_csv(
        landing / "consent.csv",
        [record("consent", f"c{n}", source_patient_id=n, scope="aggregate_release", status="granted") for n in names],
    )
    write_csv(landing / "fall_report.csv", [record("fall_report", "f1", fall_count="-1")])
    write(landing / "relapse.csv", b"\x00\x01")
    write(root / "sources" / "lab.yaml", LAB)
    write(
        root / "sources" / "lab" / "patient.sql",
        "SELECT record_number, id AS source_record_id, id AS source_patient_id, 'male' AS sex FROM raw",
    )
    write(workspace.folder("landing", "lab") / "lab.csv", "id,code\n" + "".join(f"x{n},1\n" for n in range(20)))
    return root


def rerun(root: Path, *commands: Arguments) -> None:
    """The plain commands; what they make of files may be an exit code, never a traceback."""
    for command in commands:
        code, said = finished(outcomes(root, *command))
        assert code in (0, 10, 11), said
        assert "Traceback" not in said


def end_state(root: Path) -> dict[str, object]:
    """All that a run leaves behind, but for where it lies and the seconds of its writing."""
    state: dict[str, object] = {}
    with duckdb.connect(str(root / "published" / "outcomes.duckdb"), read_only=True) as con:
        tables = con.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        for schema, table in tables:
            state[f"{schema}.{table}"] = sorted(map(repr, con.execute(f'FROM "{schema}"."{table}"').fetchall()))
    # Every command that wrote raises the revision: an interrupted one may have, and its repeat again.
    state["ops.version"] = "not compared"
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        if not path.is_file() or place.parts[0] in ("data-docs", "sources", "key"):
            continue
        if path.suffix == ".parquet":
            state[str(place)] = repr(pq.read_table(path).to_pylist())
        elif path.suffix == ".duckdb":
            state[str(place) if place.name == "outcomes.duckdb" or place.parts[0] != "published" else "dated"] = "there"
        elif place.name == "manifest.json":
            state[str(place)] = "there"
        elif place.name != "outcomes.lock":
            state[str(place)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return state


class Course:
    """What files are delivered and what `ingest` and then `report` make of them, undisturbed: made once a run, for all workers."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready

    def before(self, command: Arguments) -> Path:
        """The workspace in which the command begins; for copies."""
        return self._ready.made("delivered", deliver) if command == INGEST else self._made(INGEST) / "workspace"

    def end(self, command: Arguments) -> dict[str, object]:
        """The `end_state` after it."""
        return self._told(command)["end"]

    def seconds(self, command: Arguments) -> float:
        """How long it takes here."""
        return self._told(command)["seconds"]

    def events(self, command: Arguments) -> list[str]:
        """The boundaries that it passes, in their order."""

        def make(folder: Path) -> None:
            folder.mkdir()
            root = copied(self.before(command), folder / "workspace")
            code, said = finished(outcomes(root, *command, mode="count", record_to=str(folder / "events")))
            assert code in (0, 11), said

        return (self._ready.made(f"events of {command[0]}", make) / "events").read_text().splitlines()

    def _told(self, command: Arguments) -> dict:
        return json.loads((self._made(command) / "told.json").read_text())

    def _made(self, command: Arguments) -> Path:
        def make(folder: Path) -> None:
            folder.mkdir()
            root = copied(self.before(command), folder / "workspace")
            begun = time.monotonic()
            rerun(root, command)
            told = {"seconds": time.monotonic() - begun, "end": end_state(root)}
            (folder / "told.json").write_text(json.dumps(told))

        return self._ready.made(f"after {command[0]}", make)
