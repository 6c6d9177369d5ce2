"""`outcomes up` as an operator runs it, in a process of its own, with what the server and the published file say about it."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
from canonical import record, write_csv
from ready import copied

from deployments.local_server import serving
from flows.settings import Workspace, create_workspace, open_workspace

OUTCOMES = Path(sys.executable).with_name("outcomes")
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Receiver:
    """A web server on this machine; `told` holds what was posted to it."""

    def __init__(self) -> None:
        told: list[dict[str, Any]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.told = told
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def prefect_home(folder: Path) -> None:
    """The files of a Prefect server that was started once."""
    with serving(folder):
        pass


class Standing:
    """A workspace and, between `start` and `stop`, the command that keeps it going."""

    def __init__(self, root: Path, settings: str = "", ready_home: Path | None = None) -> None:
        self.port = _free_port()
        root = create_workspace(root).root
        if ready_home:
            copied(ready_home, root / "prefect")
        waits = "ingest_wait_seconds = 1\nreport_wait_seconds = 1\n"
        (root / "outcomes.toml").write_text(f"data_docs = false\nserver_port = {self.port}\n{waits}{settings}")
        self.workspace: Workspace = open_workspace(root)
        self.landing = self.workspace.folder("landing", "canonical")
        self.log = root / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [OUTCOMES, "--workspace", self.workspace.root, "up"], stdout=out, stderr=subprocess.STDOUT
            )
        until(lambda: "watcher" in self.said()[begun:] or self.process.poll() is not None, 240, self.said)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """As Ctrl-C or a service manager does. Every part ends, in this order, and that is no failure."""
        begun = self.log.stat().st_size
        self.process.send_signal(number)
        assert self.process.wait(60) == 0, self.said()
        said = self.log.read_bytes()[begun:].decode()
        assert re.findall(r"(\w+) +stopped", said) == ["watcher", "worker", "server"], said

    def part(self, words: str) -> int:
        """The process id of a part of the command, by words of its command line; waits for one that is being started."""
        until(lambda: self._parts(words), 90, self.said)
        return self._parts(words)[0]

    def _parts(self, words: str) -> list[int]:
        return [pid for pid in descendants(self.process.pid) if words in command_of(pid)]

    def ask(self, path: str, **body: Any) -> Any:
        """What the server's API answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        # A server that was killed is back within seconds, and may be short of its database for some more.
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or "null")
            except (ConnectionError, TimeoutError, urllib.error.URLError) as error:
                if (isinstance(error, urllib.error.HTTPError) and error.code < 500) or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def all_runs(self) -> list[dict[str, Any]]:
        """Every run, by the time at which it was or is due; one that has not begun has no name of ours yet."""
        return self.ask("flow_runs/filter", sort="EXPECTED_START_TIME_ASC", limit=200)

    def runs(self, flow: str = "") -> list[dict[str, Any]]:
        """The runs that have begun, of one flow or of all."""
        return [run for run in self.all_runs() if run["name"].startswith(flow) and ":" in run["name"]]

    def told(self) -> list[tuple[str, str]]:
        """The runs, for whoever reads why a test failed."""
        return [(run["name"], run["state_name"]) for run in self.runs() if not run["auto_scheduled"]]

    def is_idle(self) -> bool:
        """Whether every run has ended but those that a schedule has laid out for later."""
        return all(run["state_type"] in TERMINAL for run in self.all_runs() if not run["auto_scheduled"])

    def taken_slots(self) -> list[dict[str, Any]]:
        """Limits of concurrency some of whose slots are held."""
        return [limit for limit in self.ask("v2/concurrency_limits/filter") if limit["active_slots"]]

    def sweep(self) -> None:
        """What the schedule does every 15 minutes, now."""
        (deployment,) = [d for d in self.ask("deployments/filter") if d["name"] == "ingest"]
        self.ask(f"deployments/{deployment['id']}/create_flow_run", parameters={"reason": "sweep"})

    def drop(self, names: list[str]) -> None:
        """Consents of one patient a file, moved into landing as an exporter should: under a temporary name first."""
        for name in names:
            kept = self.landing / f".{name}.tmp"
            write_csv(kept, [consent(name)])
            kept.rename(self.landing / f"consent-{name}.csv")

    def published(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self.workspace.snapshot), read_only=True) as con:
            return con.execute(sql).fetchall()

    def taken(self) -> Counter[str]:
        """The names of admitted files, as often as they were."""
        if not self.workspace.snapshot.exists():
            return Counter()
        rows = self.published("SELECT file_name FROM ops.file WHERE status = 'admitted'")
        return Counter(name.removeprefix("consent-").removesuffix(".csv") for (name,) in rows)

    def has_taken(self, names: Iterable[str]) -> bool:
        return set(names) <= set(self.taken())

    def is_reported(self) -> bool:
        """Whether a report has seen the last batch."""
        rows = self.published("SELECT max(as_of_batch) = (SELECT max(batch_id) FROM ops.batch) FROM ops.release")
        return bool(rows[0][0])


def consent(name: str) -> dict[str, str]:
    return record("consent", name, source_patient_id=f"p-{name}", scope="aggregate_release", status="granted")


def until(is_true: Callable[[], object], seconds: float, about: Callable[[], object] = str) -> None:
    """Wait for something; fail, saying what `about` tells, if it takes longer."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {about()}"
        time.sleep(0.3)


def descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return []
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
