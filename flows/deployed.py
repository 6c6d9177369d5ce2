"""The Prefect flows: the functions of `flows/pipeline.py`, tracked. The only module of `flows` that imports Prefect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from flows import pipeline
from flows.errors import TransientError
from flows.settings import open_workspace

Item = TypeVar("Item")
Result = TypeVar("Result")

# Enough chunks for every worker to have a next one, few enough that a thousand files are not a thousand task runs.
_CHUNKS_A_WORKER = 4


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Only what may heal by itself is tried again: a lock, a network; never a bad file."""
    failure = state.result(raise_on_failure=False)
    return isinstance(failure, TransientError)


# Results stay in memory: they name files of patients, and a second run must ask the ledger, not a cache.
_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 3,
    "retry_delay_seconds": [2, 10, 60],
    "retry_condition_fn": _is_transient,
}


class TrackedRun:
    """Calls stages as Prefect tasks; `map` submits files in chunks, not one task a file."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def call(self, stage: Callable[..., Result], *args: Any) -> Result:
        tracked: Callable[..., Result] = task(name=stage.__name__.replace("_", "-"), **_OPTIONS)(stage)
        return tracked(*args)

    def map(
        self, stage: Callable[[Item], Result], items: Sequence[Item], done: Callable[[Result], None] | None = None
    ) -> list[Result]:
        size = max(1, -(-len(items) // (self.workers * _CHUNKS_A_WORKER)))
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        name = stage.__name__.replace("_", "-")

        def run_chunk(chunk: Sequence[Item]) -> list[Result]:
            return [stage(item) for item in chunk]

        futures = [
            task(name=name, task_run_name=f"{name} {len(chunk)} file{'s' * (len(chunk) > 1)}", **_OPTIONS)(
                run_chunk
            ).submit(chunk)
            for chunk in chunks
        ]
        results = []
        for future in futures:
            for result in future.result():
                results.append(result)
                if done is not None:
                    done(result)
        return results


def send_rest() -> None:
    """Send the logs and events that Prefect still holds back, for a process that outlives its server."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=5)
    EventsWorker.drain_all(timeout=5)


def _now() -> datetime:
    return datetime.now(UTC)


@flow(
    name="ingest",
    flow_run_name="ingest: {reason}",
    task_runner=ThreadPoolTaskRunner(max_workers=4),
    persist_result=False,
)
def ingest(
    workspace: Path,
    files: list[Path] | None = None,
    source_name: str | None = None,
    again: int | None = None,
    reason: str = "everything pending",
) -> pipeline.IngestSummary:
    """Take the named files, or everything that waits in landing, to the published file."""
    opened = open_workspace(workspace)
    run = TrackedRun(opened.settings.worker_count)
    return pipeline.ingest(opened, files or (), source_name, now=_now(), again=again, run=run)


@flow(name="report", flow_run_name="report: {reason}", persist_result=False)
def report(workspace: Path, reason: str = "by hand", as_of_at: datetime | None = None) -> pipeline.ReportSummary:
    """Build the marts, release what may leave and write the pages, as of an instant or of now."""
    opened = open_workspace(workspace)
    return pipeline.report(opened, now=_now(), as_of_at=as_of_at, run=TrackedRun(opened.settings.worker_count))
