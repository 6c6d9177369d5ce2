"""A Prefect server on this machine's loopback, for as long as a command runs. It makes no outbound call."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from flows.errors import TransientError

_START_SECONDS = 120
# Loopback only, no telemetry, no advertisement, no server of Prefect's own making when none is configured.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}


def environment(home: Path, port: int) -> dict[str, str]:
    """The variables under which a process uses the server at that port, with its files in `home`."""
    return {**QUIET, "PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}


@contextlib.contextmanager
def serving(home: Path) -> Iterator[dict[str, str]]:
    """Start a server, hand over its environment once it answers, stop it at the end.

    Raises TransientError with the end of its log if it does not answer in time.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = _free_port()
    variables = environment(home, port)
    log = home / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log.touch(mode=0o600)
    with log.open("wb") as out:
        # A session of its own: Ctrl-C reaches the command first, which then stops the server in order.
        server = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            start_new_session=True,
            umask=0o077,
        )
    try:
        _wait(server, variables["PREFECT_API_URL"], log)
        yield variables
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310  our own server's address
                if answer.status == 200:
                    return
        time.sleep(0.2)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise TransientError(f"the Prefect server did not answer within {_START_SECONDS} s. The end of {log}:\n{end}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
