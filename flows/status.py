"""What operators and analysts ask: read from the published file, the folders and the lock; the live file stays closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from flows.errors import NotFoundError, UsageError
from flows.settings import Workspace
from flows.spreadsheet import spreadsheet_text
from flows.stages import land
from flows.warehouse import lock_holder, scratch, snapshot
from schemas.quoting import literal
from sql import statement


@dataclass(frozen=True)
class FileLine:
    """One file of the ledger; counts are of records, None where it was not read."""

    file_id: int
    file_name: str
    source_system: str
    status: str
    read_count: int | None
    admitted_count: int | None
    unchanged_count: int | None
    duplicate_count: int | None
    quarantined_count: int | None
    out_of_scope_count: int | None


@dataclass(frozen=True)
class OpenToken:
    """A word of an open list that no code list knows."""

    column: str
    word: str
    record_count: int


@dataclass(frozen=True)
class LateSource:
    """A source that has delivered nothing for longer than its rhythm."""

    source_name: str
    rhythm: str
    hours_since: int


@dataclass(frozen=True)
class ReleaseLine:
    """A report: the one that is published, or the last one that waits for a decision or was held."""

    release_id: int
    as_of_batch: int
    as_of_at: datetime
    status: str
    reason: str | None = None

    @property
    def next_step(self) -> str:
        """What an operator may do about it."""
        if self.status == "draft":
            return f". Decide: outcomes release diff | release approve {self.release_id} | release hold {self.release_id} --reason …"
        return f": {self.reason}" if self.status == "held" else ""


@dataclass(frozen=True)
class Status:
    """Where the workspace stands."""

    workspace: str
    writer: str | None
    pending_count: int
    is_published: bool
    batch_count: int = 0
    file_counts: dict[str, int] = field(default_factory=dict)
    waiting_count: int = 0
    files: list[FileLine] = field(default_factory=list)
    open_tokens: list[OpenToken] = field(default_factory=list)
    release: ReleaseLine | None = None
    undecided_release: ReleaseLine | None = None
    strays: dict[str, str] = field(default_factory=dict)
    late: list[LateSource] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The status in sentences."""
        found = [f"workspace  {self.workspace}"]
        if self.writer:
            found.append(f"writer     {self.writer}")
        found.append(
            f"landing    {_counted(self.pending_count, 'file')} to take"
            if self.pending_count
            else "landing    nothing waits"
        )
        found += [f"landing    {name}: {reason}" for name, reason in self.strays.items()]
        if not self.is_published:
            return [*found, "published  nothing yet. Run: outcomes ingest"]
        counts = ", ".join(f"{count:,} {status}" for status, count in self.file_counts.items()) or "none"
        found.append(f"files      {counts}, in {_counted(self.batch_count, 'batch', 'batches')}")
        found += [
            f"late       {late.source_name}: its last file came {late.hours_since:,} hours ago, its rhythm is {late.rhythm}"
            for late in self.late
        ]
        if self.waiting_count:
            found.append(
                f"waiting    {_counted(self.waiting_count, 'record')} whose patient or episode has not come yet (ops.waiting)"
            )
        found += [
            f"report     {line.release_id}, as of batch {line.as_of_batch} at {line.as_of_at:%Y-%m-%d %H:%M} UTC, {line.status}{line.next_step}"
            for line in (self.release, self.undecided_release)
            if line is not None
        ]
        if self.release is None and self.undecided_release is None:
            found.append("report     none yet. Run: outcomes report")
        return found

    def file_rows(self) -> list[list[str]]:
        """The last files as rows of text."""
        return [
            [str(f.file_id), f.file_name, f.source_system, f.status]
            + [
                "" if count is None else f"{count:,}"
                for count in (
                    f.read_count,
                    f.admitted_count,
                    f.unchanged_count,
                    f.duplicate_count,
                    f.quarantined_count,
                    f.out_of_scope_count,
                )
            ]
            for f in self.files
        ]


def _counted(number: int, thing: str, things: str = "") -> str:
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def read_status(workspace: Workspace, now: datetime) -> Status:
    """Where the workspace stands at an instant, without opening the live file."""
    known = land.known_sources(workspace.root / "sources")
    pending = len(land.pending(workspace, known))
    strays = land.never_taken(workspace, known)
    writer = lock_holder(workspace)
    if not workspace.snapshot.is_file():
        return Status(str(workspace.root), writer, pending, False, strays=strays)
    with snapshot(workspace) as con:
        (batch_count,) = con.execute("SELECT count(*) FROM ops.batch").fetchone() or (0,)
        counts = dict(con.execute("SELECT status, count(*) FROM ops.file GROUP BY ALL ORDER BY status").fetchall())
        files = [FileLine(*row) for row in con.execute(statement("status/last_files")).fetchall()]
        tokens = [
            OpenToken(*row)
            for row in con.execute(
                "SELECT column_name, word, record_count FROM ops.open_token ORDER BY record_count DESC, column_name, word LIMIT 20"
            ).fetchall()
        ]
        (waiting,) = con.execute("SELECT coalesce(sum(record_count), 0)::BIGINT FROM ops.waiting").fetchone() or (0,)
        lines = [ReleaseLine(*row) for row in con.execute(statement("status/last_releases")).fetchall()]
    return Status(
        str(workspace.root),
        writer,
        pending,
        True,
        batch_count,
        counts,
        waiting,
        files,
        tokens,
        next((line for line in lines if line.status == "approved"), None),
        next((line for line in lines if line.status != "approved"), None),
        strays,
        late_sources(workspace, now),
    )


def late_sources(workspace: Workspace, now: datetime) -> list[LateSource]:
    """The sources that have delivered before, and by their stated rhythm should have again."""
    if not workspace.snapshot.is_file():
        return []
    known = land.known_sources(workspace.root / "sources")
    with snapshot(workspace) as con:
        last = con.execute(statement("status/last_deliveries")).fetchall()
    hours_since = {name: int(now.timestamp() - microseconds / 1e6) // 3600 for name, microseconds in last}
    return [
        LateSource(name, source.rhythm, hours_since[name])
        for name, source in sorted(known.items())
        if source.rhythm is not None
        and source.rhythm_hours is not None
        and hours_since.get(name, 0) > source.rhythm_hours
    ]


@dataclass(frozen=True)
class Unreported:
    """What was admitted after the last report; `batch_id` is 0 if there is nothing."""

    source_names: list[str]
    file_count: int
    batch_id: int


def unreported(workspace: Workspace) -> Unreported:
    """What no report has seen yet."""
    with snapshot(workspace) as con:
        names, file_count, batch_id = con.execute(statement("status/unreported")).fetchone() or ([], 0, 0)
    return Unreported(sorted(names or []), file_count, batch_id)


def batch_counts(workspace: Workspace, file_ids: list[int]) -> dict[str, list[tuple[str, int]]]:
    """By source: what became of the records of these files, and how many broke which rule."""
    with snapshot(workspace) as con:
        rows = con.execute(statement("status/batch_counts"), {"file_ids": file_ids}).fetchall()
    found: dict[str, list[tuple[str, int]]] = {}
    for name, _, what, count in rows:
        found.setdefault(name, []).append((what, count))
    return found


def run_query(workspace: Workspace, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one statement on the published file. Raises UsageError if DuckDB does not take it."""
    with snapshot(workspace) as con:
        try:
            if not duckdb.extract_statements(sql):
                raise UsageError("the query is empty. Write one SELECT.")
            result = con.execute(sql)
            return _distinct([column[0] for column in result.description or ()]), result.fetchall()
        except duckdb.Error as error:
            raise UsageError(f"the query failed: {error}") from error


def _distinct(names: list[str]) -> list[str]:
    """The names, later ones of the same name numbered, so that none is lost where they become keys."""
    return [
        name if name not in names[:place] else f"{name}_{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


@dataclass(frozen=True)
class QuarantineLine:
    """How many records of a file broke a rule."""

    file_id: int
    file_name: str
    table_name: str
    rule: str
    action: str
    record_count: int


def quarantined(workspace: Workspace) -> list[QuarantineLine]:
    """Refused and blanked records, by file, table and rule."""
    with snapshot(workspace) as con:
        return [QuarantineLine(*row) for row in con.execute(statement("status/quarantined")).fetchall()]


@dataclass(frozen=True)
class QuarantinedRecord:
    """One fault of one record, with the record's own text."""

    record_number: int
    line: int | None
    table_name: str
    rule: str
    column_name: str | None
    action: str
    message: str
    original: str | None


def quarantined_records(workspace: Workspace, file_id: int, rule: str | None = None) -> list[QuarantinedRecord]:
    """The faults of a file, by record. Raises NotFoundError if there is no such file."""
    kept = _quarantine_file(workspace, file_id)
    if kept is None:
        return []
    with scratch(workspace.settings, workspace.folder("spool")) as con:
        rows = con.execute(
            f"SELECT record_number, line, table_name, rule, column_name, action, message, original FROM read_parquet({literal(str(kept))}) "
            "WHERE $rule IS NULL OR rule = $rule ORDER BY ALL",
            {"rule": rule},
        ).fetchall()
    return [QuarantinedRecord(*row) for row in rows]


def export_quarantine(workspace: Workspace, file_id: int, to: Path) -> int:
    """Write the faults of a file to a new CSV file, which only its owner may read; returns their number.

    Raises NotFoundError if there is no such file in the ledger, UsageError if `to` exists.
    """
    import csv
    import os
    from dataclasses import astuple, fields

    records = quarantined_records(workspace, file_id)
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{to}: exists already. Name a new file.") from error
    except OSError as error:
        raise UsageError(f"{to}: cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f.name for f in fields(QuarantinedRecord)])
        writer.writerows(
            [spreadsheet_text(value) if isinstance(value, str) else value for value in astuple(record)]
            for record in records
        )
    return len(records)


def _quarantine_file(workspace: Workspace, file_id: int) -> Path | None:
    with snapshot(workspace) as con:
        found = con.execute(
            "SELECT source_system, file_key FROM ops.file WHERE file_id = $id", {"id": file_id}
        ).fetchone()
    if found is None:
        raise NotFoundError(f"no file with id {file_id}. See: outcomes batch list")
    path = workspace.root / "quarantine" / f"{found[0]}-{found[1]}.parquet"
    return path if path.is_file() else None


@dataclass(frozen=True)
class BatchLine:
    """One admitted batch."""

    batch_id: int
    source_system: str
    committed_at: datetime
    file_count: int
    admitted_count: int


def batches(workspace: Workspace) -> list[BatchLine]:
    """The admitted batches, the last one first."""
    with snapshot(workspace) as con:
        return [BatchLine(*row) for row in con.execute(statement("status/batches")).fetchall()]


@dataclass(frozen=True)
class UndecidedFile:
    """A file of which nothing is in the warehouse, and why."""

    file_id: int
    file_name: str
    source_system: str
    status: str
    reasons: list[str]


def undecided(workspace: Workspace) -> list[UndecidedFile]:
    """Files that are held, refused or could not be read."""
    with snapshot(workspace) as con:
        rows = con.execute(
            "SELECT file_id, file_name, source_system, status, reasons FROM ops.file WHERE status <> 'admitted' ORDER BY file_id"
        ).fetchall()
    return [UndecidedFile(*row) for row in rows]
