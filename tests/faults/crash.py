"""A workspace with everything in it that a run can trip over, and all that it ends in, to be compared with another's."""

import hashlib
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import driver
import duckdb
import pyarrow.parquet as pq
from canonical import record, write, write_csv

from flows.settings import create_workspace

# Not forked from the test's own process, which has threads: from one that does nothing but import and fork.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["driver", "flows.audit", "flows.pages.report"])
IS_LONG = os.environ.get("OUTCOMES_FAULTS") == "long"
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


def copied(root: Path, to: Path) -> Path:
    """The workspace in another place, links and times as they were."""
    shutil.copytree(root, to, symlinks=True)
    return to


class Command:
    """The command under the driver.

    It is forked from a process that has imported what takes seconds to import: nothing of ours runs in that one.
    """

    def __init__(
        self, root: Path, arguments: Sequence[str], mode: str, record_to: str, env: dict | None, before: Callable | None
    ) -> None:
        ours, theirs = FORKS.Pipe(duplex=False)
        given = ["--workspace", str(root), *arguments]
        variables = dict(os.environ if env is None else env)
        self._process = FORKS.Process(target=driver.run, args=(mode, record_to, given, variables, before, theirs))
        self._process.start()
        theirs.close()
        self._said = ""
        self._listener = threading.Thread(target=self._listen, args=(ours,), daemon=True)
        self._listener.start()

    def _listen(self, connection: Connection) -> None:
        with connection, open(connection.fileno(), "rb", closefd=False) as said:
            self._said = said.read().decode(errors="replace")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float = 120) -> str:
        """What it printed. Raises TimeoutError, having killed it, if it hangs."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"{self._process.pid} was not done after {seconds} s")
        self._listener.join(seconds)
        return self._said


def outcomes(
    root: Path,
    *arguments: str,
    mode: str = "0",
    record_to: str = os.devnull,
    env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Command:
    """Start the command under the driver; `before` is called in its process first."""
    return Command(root, arguments, mode, record_to, env, before)


def finished(command: Command) -> tuple[int, str]:
    """Exit code and what was printed; a run that hangs fails."""
    said = command.wait()
    return command.returncode, said


def rerun(root: Path, *commands: tuple[str, ...]) -> None:
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
