"""The Prefect flows: the functions of `flows/pipeline.py`, tracked. The only module of `flows` that imports Prefect."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import FailedRun, MissingResult
from prefect.logging import get_logger, get_run_logger
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed, State
from prefect.task_runners import ThreadPoolTaskRunner

from flows import pipeline
from flows.announcing import announce
from flows.errors import PipelineError, TransientError
from flows.settings import Workspace, open_workspace
from flows.stages.admit import FileOutcome
from flows.status import batch_counts, unreported
from schemas.events import BatchAdmitted, Event, FileHeld

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
        # An artifact is a call to the server each time: only a run that takes a while shows how far it is.
        progress = (
            create_progress_artifact(0.0, key=f"progress-{name}", description=f"{name}: {len(items):,} files")
            if len(chunks) > self.workers
            else None
        )
        results = []
        for future in futures:
            for result in future.result():
                results.append(result)
                if done is not None:
                    done(result)
            if progress is not None:
                update_progress_artifact(cast("UUID", progress), 100.0 * len(results) / len(items))
        return results


def send_rest() -> None:
    """Send the logs and events that Prefect still holds back, for a process that outlives its server."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=5)
    EventsWorker.drain_all(timeout=5)


def _now() -> datetime:
    return datetime.now(UTC)


def _announce(workspace: Workspace, event: Event) -> None:
    # The flow's logs say that it was lost; the next run makes good what it should have started.
    if not announce(str(PREFECT_API_URL.value() or ""), workspace.root.name, event):
        get_run_logger().warning("The event %s did not reach the server.", event.name)


class UnsuccessfulError(PipelineError):
    """How a run ends that did its work and is no success: its sentence for the log, its summary for whoever called the flow.

    The engine raises what a failed run holds and logs it, in the worker's log and in the server's database: a bare summary would
    put the names of files there.
    """

    def __init__(self, sentence: str, summary: Any) -> None:
        super().__init__(sentence)
        self.summary = summary


class _Own(threading.local):
    """What the last flow of this thread came to, as soon as its work was done."""

    summary: Any = None


_own = _Own()


def _called(tracked: Callable[..., State[Any]], *args: Any) -> Any:
    """What a flow comes to, also where its run is no success, and where the server could not be told of its end.

    Raises what the flow raises, and TransientError if the server does not answer before the work is done.
    """
    _own.summary = None
    try:
        found = tracked(*args, return_state=True).result(raise_on_failure=False)
    except Exception as error:  # noqa: BLE001  sorted below
        found = error
    if isinstance(found, UnsuccessfulError):
        return found.summary
    if not isinstance(found, BaseException):
        return found
    if not _is_of_server(found):
        raise found
    url = PREFECT_API_URL.value()
    if _own.summary is None:
        raise TransientError(
            f"{url}: the Prefect server does not answer. Run the command again when it does, or without PREFECT_API_URL; "
            "what had begun goes on from there."
        ) from found
    get_logger("outcomes").warning("%s: the Prefect server does not know how this run ended; it has ended.", url)
    return _own.summary


def _is_of_server(error: BaseException | None) -> bool:
    """Whether an error is one of talking to the Prefect server: it cannot be reached, or has lost what a run came to.

    A final state whose answer is lost is sent again, and what then comes back is the server's own, which holds no result.
    """
    if isinstance(error, PipelineError):  # ours, whatever it was made from: an export's server is not Prefect's
        return False
    if isinstance(error, (MissingResult, FailedRun)):
        return True
    if error is None:
        return False
    # Prefect's client hands on the errors of httpx, as they are or as causes of its own.
    is_of_http = any(kind.__module__ == "httpx" for kind in type(error).__mro__)
    return is_of_http or _is_of_server(error.__cause__ or error.__context__)


def take(
    workspace: Path,
    files: list[Path] | None = None,
    source_name: str | None = None,
    again: int | None = None,
    reason: str = "everything pending",
) -> pipeline.IngestSummary:
    """The flow `ingest`, called: its summary also where the run ends as held. Raises what the flow raises."""
    return cast("pipeline.IngestSummary", _called(ingest, workspace, files, source_name, again, reason))


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
) -> State[pipeline.IngestSummary]:
    """Take the named files, or everything that waits in landing, to the published file.

    Ends as `Held` or `Unreadable`, which is no success, where a file needs somebody's attention.
    """
    opened = open_workspace(workspace)
    run = TrackedRun(opened.settings.worker_count)
    _own.summary = summary = pipeline.ingest(opened, files or (), source_name, now=_now(), again=again, run=run)
    new = [file for file in summary.files if file.is_new and file.status not in ("deferred", "denied")]
    if new:
        _show_batch(opened, new)
    wanting = [file for file in new if file.status in ("held", "unreadable")]
    if wanting:
        names = sorted({file.source_system for file in wanting})
        _announce(opened, FileHeld(source_names=names, file_ids=[file.file_id for file in wanting]))
    # Asked of the ledger, not of this run: what an event that was lost should have started is started by the next run.
    if opened.snapshot.is_file() and (waiting := unreported(opened)).batch_id:
        _announce(opened, BatchAdmitted(**asdict(waiting)))
    return _state_of(summary, wanting)


def _state_of(summary: pipeline.IngestSummary, wanting: list[FileOutcome]) -> State[pipeline.IngestSummary]:
    denied = sum(file.status == "denied" for file in summary.files)
    if denied and not wanting:
        message = (
            f"{denied} of {len(summary.files)} may not be taken from landing by this user: outcomes ingest says which"
        )
        return Failed(data=UnsuccessfulError(message, summary), name="Unreadable", message=message)
    if not wanting:
        taken = Counter(file.status if file.is_new else "known before" for file in summary.files)
        message = ", ".join(f"{count} {status}" for status, count in sorted(taken.items())) or "nothing was pending"
        return Completed(data=summary, message=message)
    ids = ", ".join(str(file.file_id) for file in wanting[:20])
    name = "Held" if any(file.status == "held" for file in wanting) else "Unreadable"
    message = f"{len(wanting)} of {len(summary.files)} files need a decision: outcomes batch list (ids {ids})"
    return Failed(data=UnsuccessfulError(message, summary), name=name, message=message)


def _show_batch(workspace: Workspace, new: list[FileOutcome]) -> None:
    """An artifact a source: what became of its files' records. Names of files and values of records are left out."""
    counts = batch_counts(workspace, [file.file_id for file in new])
    for name in sorted({file.source_system for file in new}):
        files = Counter(file.status for file in new if file.source_system == name)
        rows = [[f"files {status}", f"{count:,}"] for status, count in sorted(files.items())]
        rows += [[what.replace("_", " "), f"{count:,}"] for what, count in counts.get(name, [])]
        create_table_artifact(
            [{"what": what, "number": number} for what, number in rows],
            key=f"batch-{name.replace('_', '-')}",
            description=f"What became of the files and records of source {name}.",
        )
    if (docs := workspace.data_docs).is_file():
        create_link_artifact(docs.as_uri(), f"Data Docs: {docs}", key="data-docs", description="What the audit saw.")


def pull_now(
    workspace: Path, source_name: str, since: datetime | None = None, reason: str = "by hand"
) -> pipeline.PullSummary:
    """The flow `pull`, called: its summary also where the run ends as failed. Raises what the flow raises."""
    return cast("pipeline.PullSummary", _called(pull, workspace, source_name, since, reason))


@flow(name="pull", flow_run_name="pull: {source_name}, {reason}", persist_result=False)
def pull(
    workspace: Path, source_name: str, since: datetime | None = None, reason: str = "by hand"
) -> State[pipeline.PullSummary]:
    """Bring an API's export into landing, where the watcher finds it as it finds any file."""
    opened = open_workspace(workspace)
    run = TrackedRun(opened.settings.worker_count)
    _own.summary = summary = pipeline.pull(opened, source_name, now=_now(), since=since, run=run)
    if summary.exit_code:
        message = " ".join(found.message for found in summary.lists if found.message)
        return Failed(data=UnsuccessfulError(message, summary), message=message)
    count = sum(found.record_count for found in summary.lists)
    return Completed(data=summary, message=f"{count:,} records landed" if count else "nothing has changed")


def report_now(workspace: Path, reason: str = "by hand", as_of_at: datetime | None = None) -> pipeline.ReportSummary:
    """The flow `report`, called. Raises what the flow raises."""
    return cast("pipeline.ReportSummary", _called(report, workspace, reason, as_of_at))


@flow(name="report", flow_run_name="report: {reason}", persist_result=False)
def report(workspace: Path, reason: str = "by hand", as_of_at: datetime | None = None) -> pipeline.ReportSummary:
    """Build the marts, release what may leave and write the pages, as of an instant or of now."""
    opened = open_workspace(workspace)
    run = TrackedRun(opened.settings.worker_count)
    _own.summary = summary = pipeline.report(opened, now=_now(), as_of_at=as_of_at, run=run)
    create_link_artifact(
        summary.page.as_uri(),
        f"Report {summary.release_id}: {summary.page}",
        key="report",
        description=f"As of batch {summary.as_of_batch} at {summary.as_of_at:%Y-%m-%d %H:%M} UTC.",
    )
    return summary


@flow(name="maintain", flow_run_name="maintain: {reason}", persist_result=False)
def maintain(workspace: Path, reason: str = "by hand") -> State[pipeline.Maintenance]:
    """Check the archive against the ledger and give back the free blocks of the warehouse."""
    opened = open_workspace(workspace)
    found = pipeline.maintain(opened, now=_now(), run=TrackedRun(opened.settings.worker_count))
    if found.faults:
        message = " ".join(found.faults[:5])
        return Failed(data=UnsuccessfulError(message, found), name="Faulty", message=message)
    return Completed(data=found, message=f"{found.checked_count:,} archived files are whole")
