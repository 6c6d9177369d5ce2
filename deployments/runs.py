"""End the runs of this machine whose process is gone, so that none keeps its place in the queue, and begin them again.

A worker that is killed, or a machine that loses its power, leaves runs behind that are said to be running. Their missing
heartbeats tell in the end, but only to a server that has seen one, and minutes later. Whoever starts a worker knows better.

The server is asked without Prefect's client: that takes seconds to import, and a worker is not started before this is done.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from deployments.local_server import POOL
from flows.errors import PipelineError, TransientError, UsageError

_UNENDED = ("PENDING", "RUNNING", "CANCELLING")
_PAGE = 200
_SECONDS = 30
_TRIES = 5


def end_dead_runs(api_url: str) -> int:
    """Let every run of our pool whose process is gone end as crashed, and its deployment run once more; how many ended.

    No worker of this machine may be at work. Raises TransientError if the server does not answer.
    """
    dead = [run for run in _unended(api_url) if not _is_alive(run["infrastructure_pid"])]
    for run in dead:
        state = {"type": "CRASHED", "name": "Crashed", "message": "Its process ended without a word."}
        _ask(f"{api_url}/flow_runs/{run['id']}/set_state", {"state": state})
    for deployment_id in {run["deployment_id"] for run in dead if run["deployment_id"] is not None}:
        _ask(
            f"{api_url}/deployments/{deployment_id}/create_flow_run",
            {"parameters": {"reason": "what an interrupted run had begun"}},
        )
    return len(dead)


def _unended(api_url: str) -> list[dict[str, Any]]:
    wanted = {"flow_runs": {"state": {"type": {"any_": _UNENDED}}}, "work_pools": {"name": {"any_": [POOL]}}}
    found: list[dict[str, Any]] = []
    while True:
        page = _ask(f"{api_url}/flow_runs/filter", {**wanted, "limit": _PAGE, "offset": len(found)})
        found += page
        if len(page) < _PAGE:
            return found


def _ask(url: str, body: dict[str, Any]) -> Any:
    """What the server answers; it is asked again where it says that it is busy, as it does for a while after its start."""
    request = urllib.request.Request(  # noqa: S310  our own server's address
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    for left in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except OSError as error:  # what urllib raises is one
            is_final = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            if is_final or not left:
                raise TransientError(f"{url}: {error}") from error
            time.sleep(1)
    raise AssertionError("unreachable")


def _is_alive(pid: str | None) -> bool:
    """Whether that process is there. A run that is pending has none yet, nor anybody who would start one."""
    if pid is None:
        return False
    number = pid.rpartition(":")[2]
    try:
        os.kill(int(number), 0)
        # What has ended and was not asked for its status (no init in a container) is still listed.
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text(encoding="utf-8", errors="replace")
    except (ProcessLookupError, ValueError):
        return False
    except (PermissionError, FileNotFoundError):  # another's; or no /proc here
        return True


def main() -> None:
    """Ask the server at PREFECT_API_URL."""
    try:
        api_url = os.environ.get("PREFECT_API_URL")
        if not api_url:
            raise UsageError("PREFECT_API_URL must be set.")
        print(end_dead_runs(api_url.rstrip("/")))
    except PipelineError as error:
        print(f"runs: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
