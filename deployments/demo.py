"""The demonstration: a synthetic cohort through ingest and report, as tracked flow runs on a server of this machine."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from deployments.local_server import serving
from flows.cohort import CohortLog, write_cohort
from flows.cohort.model import COHORT_ENDS_ON
from flows.errors import PipelineError
from flows.pipeline import IngestSummary, ReportSummary
from flows.settings import Workspace, create_workspace

COHORT_ENDS_AT = datetime.combine(COHORT_ENDS_ON.item(), time.max, UTC)


@dataclass(frozen=True)
class FlowRun:
    """A tracked run, as the server recorded it."""

    name: str
    state: str
    seconds: float


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration made, and where it lies."""

    records: int
    ingest: IngestSummary
    report: ReportSummary
    runs: list[FlowRun]


def demonstrate(
    root: Path, patients: int, seed: int, say: Callable[[str], None], *, over_api: bool = False
) -> Demonstration:
    """Make a workspace in `root`, land a cohort of `patients`, ingest it and report on it.

    With `over_api` the cohort does not come as files: the platform's export API serves it on this machine, and it is pulled.
    Raises UsageError if the folder holds something already, PipelineError if not all of the API's lists could be pulled.
    """
    workspace = create_workspace(root)
    with tempfile.TemporaryDirectory() as elsewhere:
        exports = Path(elsewhere) if over_api else workspace.folder("landing", "canonical")
        written: list[CohortLog] = []

        def write() -> None:
            say(f"a synthetic cohort of {patients:,} patients")
            written.append(write_cohort(exports, patients, seed))
            # The gate's auditor takes seconds to import, which the server needs for its start.
            importlib.import_module("flows.audit")

        say("a Prefect server on this machine")
        with serving(workspace.folder("prefect"), meanwhile=write) as variables:
            os.environ.update(variables)
            # Prefect reads its settings when it is imported.
            from flows import deployed

            try:
                if over_api:
                    say("pull, tracked: the export API on this machine, page by page")
                    _pull(workspace, exports)
                say("ingest, tracked: land, prepare, gate, admit, publish")
                ingested = deployed.take(workspace.root, reason="demo")
                say("report, tracked: build, release, pages, publish")
                # The cohort is the same on whatever day it is made, so its report looks at its own last year.
                reported = deployed.report_now(workspace.root, reason="demo", as_of_at=COHORT_ENDS_AT)
                runs = _runs()
            finally:
                deployed.send_rest()
    (log,) = written
    return Demonstration(sum(log.records.values()), ingested, reported, runs)


def _pull(workspace: Workspace, exports: Path) -> None:
    """Serve the cohort's files as the platform's export API, and pull all of its lists."""
    from flows import deployed
    from flows.cohort.served import SOURCE_NAME, Lists, Server

    with Server(Lists(exports)) as server, server.known(workspace.folder("sources")):
        summary = deployed.pull_now(workspace.root, SOURCE_NAME, reason="demo")
    if summary.exit_code:
        raise PipelineError(" ".join(found.message for found in summary.lists if found.message))


def _runs() -> list[FlowRun]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs()
    return [
        FlowRun(run.name, run.state_name or "", run.total_run_time.total_seconds())
        for run in sorted(found, key=lambda r: r.start_time or r.created)
    ]
