"""The demonstration: a synthetic cohort through ingest and report, as tracked flow runs on a server of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

from deployments.local_server import serving
from flows.cohort import write_cohort
from flows.cohort.model import COHORT_ENDS_ON
from flows.pipeline import IngestSummary, ReportSummary
from flows.settings import create_workspace

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


def demonstrate(root: Path, patients: int, seed: int, say: Callable[[str], None]) -> Demonstration:
    """Make a workspace in `root`, land a cohort of `patients`, ingest it and report on it.

    Raises UsageError if the folder holds something already.
    """
    workspace = create_workspace(root)
    say(f"a synthetic cohort of {patients:,} patients")
    log = write_cohort(workspace.folder("landing", "canonical"), patients, seed)
    say("a Prefect server on this machine")
    with serving(workspace.folder("prefect")) as variables:
        os.environ.update(variables)
        # Prefect reads its settings when it is imported.
        from flows import deployed

        try:
            say("ingest, tracked: land, prepare, gate, admit, publish")
            ingested = deployed.take(workspace.root, reason="demo")
            say("report, tracked: build, release, pages, publish")
            # The cohort is the same on whatever day it is made, so its report looks at its own last year.
            reported = deployed.report(workspace.root, reason="demo", as_of_at=COHORT_ENDS_AT)
            runs = _runs()
        finally:
            deployed.send_rest()
    return Demonstration(sum(log.records.values()), ingested, reported, runs)


def _runs() -> list[FlowRun]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs()
    return [
        FlowRun(run.name, run.state_name or "", run.total_run_time.total_seconds())
        for run in sorted(found, key=lambda r: r.start_time or r.created)
    ]
