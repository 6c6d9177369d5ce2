"""`outcomes up`: everything that a workspace needs on this machine, in the foreground, for as long as the command runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deployments import local_server
from deployments.runs import end_dead_runs
from flows.errors import PipelineError, TransientError, UsageError
from flows.settings import Workspace

_POLL_SECONDS = 0.5
# A part that ends again at once is not started more often than this.
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass
class Part:
    """A process that is started again when it ends."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    pause: float = field(default=1.0)
    started_at: float = 0.0

    def start(self, variables: dict[str, str]) -> None:
        self.started_at = time.monotonic()
        self.process = local_server.start(self.command, variables, self.log)

    def stop(self) -> None:
        if self.process is not None:
            local_server.stop(self.process)


class Up:
    """Server, deployments, worker and watcher of a workspace; `say` takes a name of a part and what is to be said of it."""

    def __init__(self, workspace: Workspace, say: Callable[[str, str], None]) -> None:
        settings = workspace.settings
        self._workspace = workspace
        self._say = say
        self._stop = threading.Event()
        logs = workspace.folder("logs")
        self.variables = {
            **local_server.environment(workspace.folder("prefect"), settings.server_port, settings.server_host),
            **local_server.STANDING,
            "OUTCOMES_WORKSPACE": str(workspace.root),
        }
        if settings.server_database:
            self.variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = settings.server_database
        self._url = self.variables["PREFECT_API_URL"]
        self._server = Part(
            "server", local_server.server_command(settings.server_host, settings.server_port), logs / "server.log"
        )
        worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", local_server.POOL, "--limit", "3"]
        self._worker = Part("worker", worker, logs / "worker.log")
        self._watcher = Part("watcher", [sys.executable, "-m", "deployments.watcher"], logs / "watcher.log")

    def run(self) -> None:
        """Until SIGINT or SIGTERM. Raises UsageError if the port is taken, TransientError if the server does not answer."""
        with self._alone(), self._stopped_by_signals():
            try:
                self._start_all()
                while not self._stop.wait(_POLL_SECONDS):
                    self._start_what_ended()
            finally:
                self._stop_all()

    def _stop_all(self) -> None:
        for part in (self._watcher, self._worker, self._server):
            if part.process is None:
                continue
            part.stop()
            if part is self._worker:
                self._end_dead_runs()
            self._say(part.name, "stopped")

    def _start_all(self) -> None:
        self._start_server()
        if self._stop.is_set():
            return
        self._say("deployments", f"{self._apply()}; schedules and automations are set")
        self._start_worker()
        self._watcher.start(self.variables)
        self._say("watcher", f"looks at {self._workspace.root / 'landing'}")

    def _start_server(self) -> None:
        self._server.start(self.variables)
        assert self._server.process is not None
        local_server.wait_until_healthy(self._server.process, self._url, self._server.log)
        database = "as server_database says" if self._workspace.settings.server_database else "SQLite"
        self._say("server", f"{self._url.removesuffix('/api')}, {database}")

    def _start_worker(self) -> None:
        self._end_dead_runs()
        self._worker.start(self.variables)
        self._say("worker", f"process {self._worker.process.pid if self._worker.process else ''}")

    def _apply(self) -> str:
        # In a process of its own: Prefect reads its settings when it is imported.
        done = subprocess.run(
            [sys.executable, "-m", "deployments.apply"],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode:
            raise PipelineError(f"the deployments could not be set: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout.strip()

    def _end_dead_runs(self) -> None:
        """What ran under a worker that is gone. If the server is gone too, it is asked again when a worker starts."""
        if not local_server.is_healthy(self._url):
            return
        try:
            count = end_dead_runs(self._url)
        except TransientError as error:
            self._say("worker", f"what was interrupted could not be asked for: {error}")
            return
        if count:
            when = "at the next start" if self._stop.is_set() else "at once"
            self._say("worker", f"{count} interrupted, to begin again {when}")

    def _start_what_ended(self) -> None:
        for part in (self._server, self._worker, self._watcher):
            if part.process is None or part.process.poll() is None:
                continue
            lived = time.monotonic() - part.started_at
            part.pause = min(part.pause * 2, _LONGEST_PAUSE_SECONDS) if lived < _LONGEST_PAUSE_SECONDS else 1.0
            self._say(
                part.name,
                f"ended with status {part.process.returncode}; starts again in {part.pause:g} s. See {part.log}",
            )
            if self._stop.wait(part.pause):
                return
            if part is self._server:
                with contextlib.suppress(TransientError):
                    self._start_server()
                    # A worker that has lost its server no longer hears of runs that are cancelled.
                    self._worker.stop()
                    self._start_worker()
            elif part is self._worker:
                self._start_worker()
            else:
                part.start(self.variables)
                self._say(part.name, "started again")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One of these a workspace, and a port that nobody else has."""
        path = self._workspace.folder("prefect") / "up.lock"
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(f"{self._workspace.root}: `outcomes up` runs here already.") from error
            settings = self._workspace.settings
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((settings.server_host, settings.server_port))
                except OSError as error:
                    raise UsageError(
                        f"{settings.server_host}:{settings.server_port}: {error.strerror}. Set server_port in outcomes.toml to another one."
                    ) from error
            yield

    @contextlib.contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, lambda *_: self._stop.set())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
