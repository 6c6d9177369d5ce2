"""The order of the stages, written once. It runs plain, or tracked by Prefect (`flows/deployed.py`)."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import duckdb

from flows.errors import (
    BrokenIdentityError,
    HeldError,
    NotFoundError,
    PipelineError,
    TransientError,
    UnreadableError,
    UsageError,
)
from flows.releasing import write_pages
from flows.settings import Workspace
from flows.stages import build, erase, gate, land, lifecycle, publish, reading
from flows.stages import release as release_stage
from flows.stages.admit import Candidate, FileOutcome, admit, record_source, refuse, unknown
from flows.stages.forgotten import Forgotten, named_in
from flows.stages.prepare import prepare_file, quarantine_name
from flows.stages.release import Release
from flows.warehouse import snapshot, transaction, warehouse, writing
from schemas.sources import Source
from sql import statement

if TYPE_CHECKING:
    from flows.exports.pulling import ListOutcome, Told

Item = TypeVar("Item")
Result = TypeVar("Result")


class Run(Protocol):
    """How stages are called: plainly, or as tracked tasks."""

    def call(self, stage: Callable[..., Result], *args: Any) -> Result: ...

    def map(
        self, stage: Callable[[Item], Result], items: Sequence[Item], done: Callable[[Result], None] | None = None
    ) -> list[Result]: ...


class PlainRun:
    """Calls functions; `map` in as many threads as there are items up to the processor count."""

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers

    def call(self, stage: Callable[..., Result], *args: Any) -> Result:
        return stage(*args)

    def map(
        self, stage: Callable[[Item], Result], items: Sequence[Item], done: Callable[[Result], None] | None = None
    ) -> list[Result]:
        results = []
        with ThreadPoolExecutor(max_workers=max(1, min(self.workers, len(items)))) as pool:
            for result in pool.map(stage, items):
                results.append(result)
                if done is not None:
                    done(result)
        return results


PLAIN = PlainRun()


@dataclass(frozen=True)
class PullSummary:
    """What one pull did, list by list."""

    source_name: str
    lists: list[ListOutcome] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The greatest of the lists' own; 0 if all were read to their end."""
        return max((found.exit_code for found in self.lists), default=0)


def pull(
    workspace: Workspace,
    source_name: str,
    *,
    now: datetime,
    since: datetime | None = None,
    run: Run = PLAIN,
    told: Told | None = None,
) -> PullSummary:
    """Bring what has changed at a source's API into landing, from where the last pull ended; `since` asks from another time.

    `told` hears of each page. One list's fault never stops the others. Raises UsageError if the source is unknown or has no
    API, TransientError if it is being pulled already.
    """
    source = land.known_source(land.known_sources(workspace.root / "sources"), source_name)
    if source.api is None:
        raise UsageError(f"source '{source_name}' has no `api` in its YAML: its files are delivered, not pulled.")
    if since is not None and source.api.incremental is None:
        raise UsageError(f"source '{source_name}' is pulled as a whole each time: it has no `incremental` in its YAML.")
    if since is not None and since > now:
        raise UsageError("changes can be asked for from a time that has been, not from one that comes.")
    _check_space(workspace)
    # Here, as httpx takes a while to import and only a pull needs it.
    from flows.exports import pulling

    outcomes = []
    with pulling.alone(workspace, source):
        for name in pulling.list_names(source):
            try:
                outcomes.append(run.call(pulling.pull_list, workspace, source, name, since, now, told))
            except PipelineError as error:
                outcomes.append(pulling.failed(name, error))
    return PullSummary(source_name, outcomes)


@dataclass(frozen=True)
class IngestSummary:
    """What one ingest did, file by file."""

    files: list[FileOutcome] = field(default_factory=list)
    is_published: bool = False

    @property
    def exit_code(self) -> int:
        """The greatest of the files' own: 10 unreadable, 11 held or refused, 20 put off, else 0."""
        codes = {
            "admitted": 0,
            "unreadable": UnreadableError.exit_code,
            "held": HeldError.exit_code,
            "refused": HeldError.exit_code,
            "deferred": TransientError.exit_code,
            "denied": UnreadableError.exit_code,
        }
        return max((codes[f.status] for f in self.files), default=0)


def ingest(
    workspace: Workspace,
    files: Iterable[Path] = (),
    source_name: str | None = None,
    *,
    now: datetime,
    run: Run = PLAIN,
    again: int | None = None,
    done: Callable[[Candidate | None], None] | None = None,
) -> IngestSummary:
    """Take the named files, or everything that waits in landing; admit what passes, publish if anything changed.

    `again` takes the file with that id anew from the archive, after its source or contract changed.
    `done` is told of each file as it is prepared. One file's fault never stops the others.
    """
    known_sources = land.known_sources(workspace.root / "sources")
    _check_space(workspace)
    if again is not None:
        landed = [_from_archive(workspace, again)]
    elif named := list(files):
        source = land.known_source(known_sources, source_name or "canonical")
        landed = [run.call(land.copy_in, workspace, path, source) for path in named]
    else:
        landed = land.pending(workspace, known_sources, source_name)
    ledger = _ledger(workspace)

    def take(file: land.Landed) -> Candidate | None:
        try:
            claimed = file if again is not None else land.claim(workspace, file)
        except PermissionError as error:
            if error.filename != str(file.path):
                raise
            return _denied(file)
        if claimed is None:
            return None
        return prepare_landed(
            workspace, claimed, known_sources[file.source_name], ledger, now, is_again=again is not None
        )

    candidates = [found for found in run.map(take, landed, done) if found is not None]
    return run.call(settle, workspace, known_sources, candidates, now)


@dataclass(frozen=True)
class Ledger:
    """What the ledger says before a file is read: (source, file key) of those that need not be read again, and who was forgotten."""

    taken: frozenset[tuple[str, str]] = frozenset()
    tombstones: dict[str, frozenset[str]] = field(default_factory=dict)


def prepare_landed(
    workspace: Workspace,
    landed: land.Landed,
    source: Source,
    ledger: Ledger,
    now: datetime,
    *,
    is_again: bool = False,
) -> Candidate:
    """One landed file on its way to the warehouse: prepared, known already, unreadable or put off, with the reason."""
    name = landed.file_name
    stamp = reading.stamp_of(landed.path)

    def candidate(digest: str) -> Candidate:
        key = land.file_key(source, name, digest)
        spool = workspace.folder("spool", source.name) / key
        return Candidate(landed, digest, key, name, stamp[0], spool, is_taken_again=is_again, stamp=stamp)

    forgotten = Forgotten(ledger.tombstones.get(source.name, frozenset()), has_blanks=landed.is_rewritten)
    try:
        scanned = reading.scan(landed.path, source)
        found = candidate(landed.digest or scanned.sha256)
        is_kept = not forgotten or land.archived(workspace, source.name, found.sha256).exists()
        if (source.name, found.file_key) in ledger.taken and is_kept and not is_again:
            return found
        # From here on DuckDB does the work, and Python is free to import.
        gate.warm_up()
        kept = workspace.folder("quarantine") / quarantine_name(source.name, found.file_key)
        prepared = prepare_file(
            landed.path, name, scanned, source, workspace.key(), now, found.spool, kept, workspace.settings, forgotten
        )
    except UnreadableError as error:
        return replace(candidate(landed.digest or reading.sha256_of(landed.path)), unreadable=str(error))
    except TransientError as error:
        return replace(candidate(""), deferred=str(error))
    except PermissionError as error:
        if landed.origin is None or error.filename != str(landed.path):
            raise
        return replace(_denied(replace(landed, path=landed.origin)), landed=landed)
    return replace(found, prepared=prepared)


def _denied(landed: land.Landed) -> Candidate:
    """What another user has put into landing in a way that ours may not take: it waits there, and stops nothing else."""
    reason = (
        f"{landed.path}: the user that runs this may not take it. "
        f"Deliver as that user, or so that its group may read and write: chmod g+rw{'x' * landed.path.is_dir()}"
    )
    return Candidate(landed, "", "", landed.file_name, 0, landed.path, deferred=reason, is_denied=True)


def settle(
    workspace: Workspace, known_sources: dict[str, Source], candidates: list[Candidate], now: datetime
) -> IngestSummary:
    """Gate, admit, publish and archive, under the writer's lock. What is put off stays in landing."""
    deferred = [c for c in candidates if c.deferred is not None]
    ready = [c for c in candidates if c.deferred is None]
    outcomes: list[FileOutcome] = []
    with writing(workspace, "outcomes ingest"):
        with warehouse(workspace) as con:
            names = list(dict.fromkeys(c.landed.source_name for c in ready))
            ledger = Ledger(tombstones={name: erase.tombstones(con, name) for name in names})
            ready = [_without_forgotten(workspace, known_sources[c.landed.source_name], c, ledger, now) for c in ready]
            for name in names:
                outcomes += _settle_source(
                    con, workspace, known_sources[name], [c for c in ready if c.landed.source_name == name], now
                )
        is_stale = _is_stale(workspace, outcomes)
        if is_stale:
            publish.publish(workspace, now)
        statuses = {(o.source_system, o.file_key): o.status for o in outcomes}
        for candidate in ready:
            _archive(workspace, known_sources[candidate.landed.source_name], candidate, ledger)
            if statuses.get((candidate.landed.source_name, candidate.file_key)) != "held":
                shutil.rmtree(candidate.spool, ignore_errors=True)
        for candidate in deferred:
            land.release_claim(candidate.landed)
        land.sweep(workspace)
    outcomes += [
        FileOutcome(
            0,
            c.file_name,
            c.landed.source_name,
            "",
            "",
            "denied" if c.is_denied else "deferred",
            True,
            (c.deferred or "",),
        )
        for c in deferred
    ]
    return IngestSummary(outcomes, is_stale)


def _without_forgotten(
    workspace: Workspace, source: Source, candidate: Candidate, ledger: Ledger, now: datetime
) -> Candidate:
    """The candidate, prepared anew if somebody was forgotten since it was prepared."""
    forgotten = Forgotten(ledger.tombstones[source.name], has_blanks=candidate.landed.is_rewritten)
    if candidate.prepared is None or candidate.prepared.forgotten_mark == forgotten.mark:
        return candidate
    anew = prepare_landed(workspace, candidate.landed, source, ledger, now, is_again=candidate.is_taken_again)
    return replace(anew, override=candidate.override)


def _archive(workspace: Workspace, source: Source, candidate: Candidate, ledger: Ledger) -> None:
    """Keep a file whose fate is in the ledger, but nothing of people who were forgotten."""
    prepared, tombstones = candidate.prepared, ledger.tombstones[source.name]
    is_doubtful = candidate.unreadable is not None or (prepared is not None and bool(prepared.holds))
    if tombstones and is_doubtful and _names_forgotten(workspace, source, candidate, tombstones):
        # Its records cannot be told apart, so what is theirs cannot be left out.
        land.drop(candidate.landed, candidate.stamp)
        return
    numbers = frozenset(prepared.forgotten_numbers) if prepared else frozenset()

    def rewrite(target: Path) -> None:
        erase.rewrite(candidate.landed.path, candidate.landed.file_name, source, numbers, target, keep_numbers=True)

    land.archive(workspace, candidate.landed, candidate.sha256, candidate.stamp, rewrite if numbers else None)


def _names_forgotten(workspace: Workspace, source: Source, candidate: Candidate, tombstones: frozenset[str]) -> bool:
    with candidate.landed.path.open(encoding=source.encoding, errors="replace") as file:
        return any(named_in(enumerate(file), source, workspace.key(), tombstones))


def _settle_source(
    con: duckdb.DuckDBPyConnection, workspace: Workspace, source: Source, candidates: list[Candidate], now: datetime
) -> list[FileOutcome]:
    # Another run may have admitted the same file since it was prepared here, and have removed its spool.
    new, known = unknown(con, source, candidates)
    return known + admit(con, source, gate.judge(con, source, new, workspace), workspace.folder("quarantine"), now)


def decide(workspace: Workspace, file_id: int, *, is_admitted: bool, reason: str, now: datetime) -> FileOutcome:
    """An operator's word on a held file: admit it as it is, or refuse it for good. The reason goes into the ledger.

    Raises NotFoundError if there is no such file, UsageError if it is not held.
    """
    _held_file(workspace, file_id)
    known_sources = land.known_sources(workspace.root / "sources")
    if is_admitted:
        landed = _from_archive(workspace, file_id)
        source = known_sources[landed.source_name]
        candidate = prepare_landed(workspace, landed, source, _ledger(workspace), now, is_again=True)
        summary = settle(workspace, known_sources, [replace(candidate, override=reason)], now)
        return summary.files[0]
    with writing(workspace, "outcomes batch refuse"):
        with warehouse(workspace) as con:
            outcome = refuse(con, file_id, reason, now)
        publish.publish(workspace, now)
    shutil.rmtree(workspace.folder("spool", outcome.source_system) / outcome.file_key, ignore_errors=True)
    return outcome


def _held_file(workspace: Workspace, file_id: int) -> None:
    with snapshot(workspace) as con:
        found = con.execute("SELECT status FROM ops.file WHERE file_id = $id", {"id": file_id}).fetchone()
    if found is None:
        raise NotFoundError(f"no file with id {file_id}. See: outcomes batch list")
    if found[0] != "held":
        raise UsageError(f"file {file_id} is {found[0]}, not held: there is nothing to decide.")


def forget(workspace: Workspace, source_patient_id: str, source_name: str, *, now: datetime) -> erase.Certificate:
    """Erase a person from the whole workspace and search it for what is left.

    Killed at any point, the same call ends it. Raises NotFoundError if nothing is known of such a person, UsageError if the
    source is unknown.
    """
    known_sources = land.known_sources(workspace.root / "sources")
    who = erase.person(workspace, land.known_source(known_sources, source_name), source_patient_id)
    with writing(workspace, "outcomes forget"):
        with warehouse(workspace) as con:
            erasure_id = erase.begin(con, who, now)
            records = erase.records_of(con, who)
            erased = erase.out_of_files(con, workspace, who, records, now)
            row_count = erase.out_of_history(con, who, records, erased)
            _rebuild_marts(con)
        erase.compact(workspace)
        publish.publish(workspace, now, copies=1)
        found = erase.search(workspace, who, set(known_sources) - {source_name})
        if not found:
            with warehouse(workspace) as con:
                erase.certify(con, erasure_id, erased, now)
            publish.publish(workspace, now, copies=1)
    touched = [e for e in erased if e.numbers or e.is_removed]
    return erase.Certificate(erasure_id, len(touched), sum(len(e.numbers) for e in touched), row_count, tuple(found))


def _rebuild_marts(con: duckdb.DuckDBPyConnection) -> None:
    """Marts hold aggregates that are not suppressed: those with an erased patient in them must go."""
    exists = con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'marts' AND table_name = 'as_of'"
    ).fetchone()
    if exists and exists[0]:
        (batch, at) = con.execute("SELECT as_of_batch, as_of_at FROM marts.as_of").fetchone() or (0, None)
        build.build(con, batch, at)


@dataclass(frozen=True)
class ReportSummary:
    """Where a report lies, what it stands on, and whether it is published or waits for approval."""

    release_id: int
    page: Path
    as_of_batch: int
    as_of_at: datetime
    cell_count: int
    suppressed_count: int
    status: str
    compared_with: int | None


def report(workspace: Workspace, *, now: datetime, as_of_at: datetime | None = None, run: Run = PLAIN) -> ReportSummary:
    """Build the marts, draft a release of everything that is admitted, approve it if that is automatic, write the pages, publish.

    `as_of_at` is the instant that windows, ages and consent are taken at; without it, now.
    """
    release = run.call(draft, workspace, as_of_at or now, now)
    page = run.call(write_pages, workspace, release)
    return ReportSummary(
        release.release_id,
        page,
        release.as_of_batch,
        release.as_of_at,
        release.frame.num_rows,
        release.suppressed_count,
        release.status,
        release.compared_with,
    )


def draft(workspace: Workspace, as_of_at: datetime, now: datetime) -> Release:
    """Build and draft under the writer's lock, then publish the file that holds both.

    Approval is a step of its own, so that a run that is killed before it leaves a draft and nothing that counts as shown.
    """
    with writing(workspace, "outcomes report"):
        with warehouse(workspace) as con:
            known_sources = land.known_sources(workspace.root / "sources")
            with transaction(con):
                for (name,) in con.execute("SELECT source_system FROM ops.source").fetchall():
                    if name in known_sources:
                        record_source(con, known_sources[name])
            (as_of_batch,) = con.execute("SELECT coalesce(max(batch_id), 0) FROM ops.batch").fetchone() or (0,)
            cell = workspace.settings.minimum_cell
            con.execute("SET VARIABLE minimum_cell = $cell", {"cell": cell})
            build.build(con, as_of_batch, as_of_at)
            release = release_stage.draft(con, as_of_batch=as_of_batch, as_of_at=as_of_at, now=now, minimum_cell=cell)
            if workspace.settings.automatic_approval:
                lifecycle.approve(con, release.release_id, lifecycle.AUTOMATIC, now)
                release = lifecycle.stored(con, release.release_id)
        publish.publish(workspace, now)
    return release


@dataclass(frozen=True)
class Maintenance:
    """What upkeep did, and the faults it found: each a sentence with what to do."""

    bytes_before: int
    bytes_after: int
    checked_count: int
    faults: list[str]

    @property
    def exit_code(self) -> int:
        return BrokenIdentityError.exit_code if self.faults else 0


def maintain(workspace: Workspace, *, now: datetime, run: Run = PLAIN) -> Maintenance:
    """Check that ledger and archive agree, write the warehouse anew without its free blocks, and publish it.

    Raises NotFoundError if nothing was published yet.
    """
    with snapshot(workspace) as con:
        kept = con.execute(statement("status/archived")).fetchall()
        unbalanced = con.execute(statement("status/unbalanced")).fetchall()
    faults = [f"file {file_id}: its records do not add up. Run: outcomes status" for (file_id,) in unbalanced]

    def verify(row: tuple[str, str, int]) -> str | None:
        return _archive_fault(workspace, *row)

    checked = run.map(verify, kept)
    faults += [fault for fault in checked if fault is not None]
    with writing(workspace, "outcomes maintain"):
        before = workspace.warehouse.stat().st_size
        erase.compact(workspace)
        publish.publish(workspace, now)
        land.sweep(workspace)
        after = workspace.warehouse.stat().st_size
    return Maintenance(before, after, len(kept), faults)


def _archive_fault(workspace: Workspace, source_name: str, digest: str, file_id: int) -> str | None:
    path = land.archived(workspace, source_name, digest)
    if not path.is_file():
        return f"file {file_id}: {path} is missing. Put it back from a copy; until then the file cannot be taken again."
    if reading.sha256_of(path) != digest and not _is_erased(workspace, file_id):
        return f"file {file_id}: {path} has other bytes than were delivered. Put it back from a copy."
    return None


def _is_erased(workspace: Workspace, file_id: int) -> bool:
    """Whether an erasure took records out of the file since we asked."""
    with snapshot(workspace) as con:
        found = con.execute("SELECT erased_count > 0 FROM ops.file WHERE file_id = $id", {"id": file_id}).fetchone()
    return bool(found and found[0])


def _ledger(workspace: Workspace) -> Ledger:
    """What the published ledger says. A hint: admission asks the real one."""
    if not workspace.snapshot.is_file():
        return Ledger()
    with contextlib.suppress(PipelineError), snapshot(workspace) as con:
        taken = con.execute("SELECT source_system, file_key FROM ops.file WHERE status <> 'unreadable'").fetchall()
        names = con.execute("SELECT DISTINCT source_system FROM ops.erasure").fetchall()
        return Ledger(frozenset(taken), {name: erase.tombstones(con, name) for (name,) in names})
    return Ledger()


def _from_archive(workspace: Workspace, file_id: int) -> land.Landed:
    with snapshot(workspace) as con:
        found = con.execute(
            "SELECT source_system, sha256, file_name, erased_count > 0 FROM ops.file WHERE file_id = $id",
            {"id": file_id},
        ).fetchone()
    if found is None:
        raise NotFoundError(f"no file with id {file_id}. See: outcomes batch list")
    source_name, digest, name, is_rewritten = found
    path = land.archived(workspace, source_name, digest)
    if not path.is_file():
        raise NotFoundError(f"{path}: the bytes of file {file_id} are no longer in the archive.")
    return land.Landed(path, source_name, name, digest=digest, is_rewritten=is_rewritten)


def _is_stale(workspace: Workspace, outcomes: list[FileOutcome]) -> bool:
    """Whether the published file is behind: something changed now, or a crash came between commit and publish."""
    if any(o.is_new for o in outcomes) or not workspace.snapshot.is_file():
        return True
    published = None
    with contextlib.suppress(PipelineError), snapshot(workspace) as con:
        (published,) = con.execute("SELECT revision FROM ops.version").fetchone() or (None,)
    with warehouse(workspace) as con:
        (written,) = con.execute("SELECT revision FROM ops.version").fetchone() or (None,)
    return bool(published != written)


def _check_space(workspace: Workspace) -> None:
    free = shutil.disk_usage(workspace.root).free
    if free < workspace.settings.minimum_free_bytes:
        raise PipelineError(
            f"{workspace.root}: {free >> 20:,} MB free, fewer than minimum_free_bytes in outcomes.toml. Free some, then run the command again."
        )
