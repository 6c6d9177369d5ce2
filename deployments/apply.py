"""Make a Prefect server know what `prefect.yaml` and the schedules of sources say, and nothing else of ours: pool, deployments, automations.

`python -m deployments.apply`, with PREFECT_API_URL and OUTCOMES_WORKSPACE. To run it again changes nothing, but for sources whose
YAML has changed, come or gone meanwhile.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import yaml
from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.cli import app as prefect_command
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from deployments.definitions import PREFECT_FILE, definitions, names
from deployments.local_server import POOL
from flows.errors import PipelineError, UsageError
from flows.settings import Settings, Workspace, open_workspace
from flows.stages.land import known_sources
from schemas.events import RESOURCE, FileHeld, SourceLate

SILENT = "outcomes: end runs that went silent"
NOTIFY = "outcomes: tell an operator"
_WEBHOOK = "outcomes-operator"
# Three heartbeats (every 30 s) missed: the process is gone.
_SILENT_SECONDS = 90
# Without a command of its own a run's process first makes another one, which finds out where the code of the flow lies: seconds
# for every file that lands, and ours is installed.
_COMMAND = shlex.join([sys.executable, "-m", "prefect.engine"])
_PAGE = 200  # as much as the server gives at once

T = TypeVar("T")


def apply(workspace: Workspace) -> list[str]:
    """Bring the server to what is written here and in the workspace's sources; the names of the deployments.

    Raises PipelineError if Prefect refuses them.
    """
    found = definitions(known_sources(workspace.root / "sources"), workspace.settings)
    wanted = names(found)
    with get_client(sync_client=True) as client, tempfile.TemporaryDirectory() as folder:
        _ensure_pool(client)
        for deployment in found["deployments"]:
            deployment["work_pool"] = {**deployment["work_pool"], "job_variables": {"command": _COMMAND}}
        file = Path(folder) / PREFECT_FILE.name
        file.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
        _deploy(file)
        _remove_what_is_no_longer_wanted(client, wanted)
        _automate(client, workspace.settings)
    return sorted(name for _, name in wanted)


def _deploy(file: Path) -> None:
    """`prefect deploy`, in this process: another one would take as long to import Prefect as all the rest takes."""
    said = io.StringIO()
    before = sys.argv
    sys.argv = ["prefect", "--no-prompt", "deploy", "--prefect-file", str(file), "--all"]
    try:
        with (
            contextlib.chdir(PREFECT_FILE.parent),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            prefect_command()
    except SystemExit as ended:
        if ended.code:
            raise PipelineError(f"the deployments were refused:\n{said.getvalue()[-4000:]}") from ended
    finally:
        sys.argv = before


def _ensure_pool(client: SyncPrefectClient) -> None:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))


def _remove_what_is_no_longer_wanted(client: SyncPrefectClient, wanted: set[tuple[str, str]]) -> None:
    """Deployments that the file no longer names; automations and runs whose deployment is gone, which the server would keep and fail."""
    flows = {flow.id: flow.name for flow in _all_of(lambda offset: client.read_flows(limit=_PAGE, offset=offset))}
    kept = set()
    for deployment in _all_of(lambda offset: client.read_deployments(limit=_PAGE, offset=offset)):
        is_ours = deployment.work_pool_name == POOL
        if is_ours and (flows.get(deployment.flow_id), deployment.name) not in wanted:
            client.delete_deployment(deployment.id)
        else:
            kept.add(deployment.id)
    for automation in _automations(client):
        runs = [action.deployment_id for action in automation.actions if isinstance(action, RunDeployment)]
        if any(runs) and not kept & set(runs):
            client.delete_automation(automation.id)
    # The server's scheduler may be about to write runs of a deployment while that is deleted: they outlive it.
    for run in _waiting_runs(client):
        if run.deployment_id is not None and run.deployment_id not in kept:
            client.delete_flow_run(run.id)


def _waiting_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """The runs of the pool that wait for their time."""
    waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    ours = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
    return _all_of(
        lambda offset: client.read_flow_runs(flow_run_filter=waiting, work_pool_filter=ours, limit=_PAGE, offset=offset)
    )


def _automations(client: SyncPrefectClient) -> list[Automation]:
    def page(offset: int) -> list[Automation]:
        response = client.request("POST", "/automations/filter", json={"limit": _PAGE, "offset": offset})
        return [Automation.model_validate(automation) for automation in response.json()]

    return _all_of(page)


def _all_of(page: Callable[[int], Sequence[T]]) -> list[T]:
    """What the server lists, page by page: what is missed of it would be taken for gone."""
    found: list[T] = []
    while True:
        found += (more := page(len(found)))
        if len(more) < _PAGE:
            return found


def _automate(client: SyncPrefectClient, settings: Settings) -> None:
    for automation in _automations(client):
        if automation.name in (SILENT, NOTIFY):
            client.delete_automation(automation.id)
    Automation(
        name=SILENT,
        description="A run whose process died says nothing more: it would hold its place in the queue for ever.",
        trigger=EventTrigger(
            after={"prefect.flow-run.Pending", "prefect.flow-run.Running", "prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_SILENT_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message=f"Nothing was heard of its process for {_SILENT_SECONDS} s."
            )
        ],
    ).create()
    if not settings.notify_url:
        return
    webhook = Webhook(url=settings.notify_url, headers={"Content-Type": "application/json"})
    block_id = webhook.save(_WEBHOOK, overwrite=True)
    Automation(
        name=NOTIFY,
        description="Held files, late sources, and runs that failed or crashed.",
        trigger=EventTrigger(
            expect={
                FileHeld.name,
                SourceLate.name,
                "prefect.flow-run.Failed",
                "prefect.flow-run.Crashed",
                "prefect.flow-run.Faulty",
            },
            match=ResourceSpecification({"prefect.resource.id": [RESOURCE, "prefect.flow-run.*"]}),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[CallWebhook(block_document_id=block_id, payload=_MESSAGE)],
    ).create()


# Of Prefect's own events the payload is left out: it holds the message of an error. The flow says what failed where a run ended
# before it had a name of its own.
_MESSAGE = """{
  "event": {{ event.event | tojson }},
  "occurred": {{ event.occurred | string | tojson }},
  "flow": {{ event.resource_in_role["flow"].name | default(none) | tojson }},
  "about": {{ event.resource.name | default(event.resource.id, true) | tojson }},
  "payload": {{ (event.payload if event.event.startswith("outcomes.") else {}) | tojson }}
}"""


def main() -> None:
    """Apply to the server at PREFECT_API_URL for the workspace OUTCOMES_WORKSPACE."""
    try:
        workspace = os.environ.get("OUTCOMES_WORKSPACE")
        if not workspace or not os.environ.get("PREFECT_API_URL"):
            raise UsageError("OUTCOMES_WORKSPACE and PREFECT_API_URL must be set.")
        print(", ".join(apply(open_workspace(Path(workspace)))))
    except PipelineError as error:
        print(f"apply: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
