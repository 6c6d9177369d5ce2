"""A Prefect server on this machine's loopback, for as long as a command runs. It makes no outbound call."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from flows.errors import TransientError

_START_SECONDS = 120
POOL = "outcomes"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
# Loopback only, no telemetry, no advertisement, no server of Prefect's own making when none is configured.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    # Pages ask the server that they came from, by whichever name or port a browser reached it.
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}


# For a server and a worker that stay: runs start within seconds, a dead one is noticed by its heartbeats, old ones go.
STANDING = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    # A run that waits behind another one of its deployment asks again after the difference of these, three seconds, and begins no
    # sooner than the second. Prefect's own 10 and 30 would let a file wait half a minute for a run that has ended; none at all
    # would write a state and an event a second for as long as it waits.
    "PREFECT_WORKER_PREFETCH_SECONDS": "3",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "6",
    "PREFECT_RUNNER_POLL_FREQUENCY": "2",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}


def environment(home: Path, port: int, host: str = "127.0.0.1") -> dict[str, str]:
    """The variables under which a process uses the server at that port, with its files in `home`."""
    # A server that listens everywhere is called at this machine's own address.
    called = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return {**QUIET, "PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://{called}:{port}/api"}


def server_command(host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "deployments.server", "--host", host, "--port", str(port)]


def start(command: list[str], variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process of ours whose output goes to the end of a log.

    A session of its own: Ctrl-C reaches the command first, which then stops its parts in order. On Linux it ends with the
    command, should that be killed.
    """
    log.touch(mode=0o600)
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **variables},
            start_new_session=True,
            umask=0o077,
            # One system call, and no thread of ours runs yet.
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Ask a process to end, and insist if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def serving(home: Path, meanwhile: Callable[[], None] = lambda: None) -> Iterator[dict[str, str]]:
    """Start a server, hand over its environment once it answers, stop it at the end.

    It takes seconds to start, in which `meanwhile` is called. Raises TransientError with the end of its log if it does not
    answer in time.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = _free_port()
    variables = environment(home, port)
    log = home / "server.log"
    server = start(server_command("127.0.0.1", port), variables, log)
    try:
        meanwhile()
        wait_until_healthy(server, variables["PREFECT_API_URL"], log)
        yield variables
    finally:
        stop(server)


def is_healthy(url: str) -> bool:
    """Whether a Prefect server answers there."""
    with contextlib.suppress(urllib.error.URLError, OSError, ValueError):
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310  our own server's address
            return bool(answer.status == 200)
    return False


def wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Raises TransientError with the end of its log if it does not answer in time, or ends."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if is_healthy(url):
            return
        time.sleep(0.2)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise TransientError(f"the Prefect server did not answer within {_START_SECONDS} s. The end of {log}:\n{end}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
