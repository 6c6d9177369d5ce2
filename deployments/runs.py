"""End the runs of this machine whose process is gone, so that none keeps its place in the queue, and begin them again.

A worker that is killed, or a machine that loses its power, leaves runs behind that are said to be running. Their missing
heartbeats tell in the end, but only to a server that has seen one, and minutes later. Whoever starts a worker knows better.
"""

from __future__ import annotations

import os
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from deployments.local_server import POOL

_UNENDED = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
_PAGE = 200


def end_dead_runs(client: SyncPrefectClient) -> int:
    """Let every run of our pool whose process is gone end as crashed, and its deployment run once more; how many ended.

    No worker of this machine may be at work.
    """
    dead = [run for run in _unended(client) if not _is_alive(run.infrastructure_pid)]
    for run in dead:
        client.set_flow_run_state(run.id, Crashed(message="Its process ended without a word."))
    for deployment_id in {run.deployment_id for run in dead if run.deployment_id is not None}:
        client.create_flow_run_from_deployment(
            deployment_id, parameters={"reason": "what an interrupted run had begun"}
        )
    return len(dead)


def _unended(client: SyncPrefectClient) -> list[FlowRun]:
    states = FlowRunFilter.model_validate({"state": {"type": {"any_": list(_UNENDED)}}})
    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(flow_run_filter=states, work_pool_filter=pool, limit=_PAGE, offset=len(found))
        found += page
        if len(page) < _PAGE:
            return found


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
    with get_client(sync_client=True) as client:
        print(end_dead_runs(client))


if __name__ == "__main__":
    main()
