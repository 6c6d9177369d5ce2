"""Admit: the only writer. All pending files of one source become one batch, in one transaction."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from flows.errors import BrokenIdentityError, NotFoundError
from flows.stages.land import Landed
from flows.stages.prepare import Prepared, quarantine_name
from flows.warehouse import insert_rows, transaction
from schemas.contract import LEDGER_COLUMNS, TABLES, contract
from schemas.quoting import literal, quoted
from schemas.sources import Source
from sql import statement

_PLACES_A_FILE = 1 << 40


@dataclass(frozen=True)
class Candidate:
    """A landed file and what is known of it when it comes to the warehouse: a manifest, or why it could not be read."""

    landed: Landed
    sha256: str
    file_key: str
    file_name: str
    byte_count: int
    spool: Path
    prepared: Prepared | None = None
    unreadable: str | None = None
    verdict: str = "pass"
    reasons: tuple[str, ...] = ()
    is_taken_again: bool = False
    override: str | None = None
    deferred: str | None = None
    is_denied: bool = False
    stamp: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file, in counts of records."""

    file_id: int
    file_name: str
    source_system: str
    sha256: str
    file_key: str
    status: str
    is_new: bool
    reasons: tuple[str, ...] = ()
    batch_id: int | None = None
    counts: dict[str, int] = field(default_factory=dict)


def admit(
    con: duckdb.DuckDBPyConnection, source: Source, candidates: list[Candidate], quarantine: Path, now: datetime
) -> list[FileOutcome]:
    """Write a batch of one source: history, ledger, and the files that are held or unreadable.

    The caller holds the writer lock and gives every candidate its gate verdict. A file the ledger knows changes nothing.
    Raises BrokenIdentityError, with nothing written, if a file's records do not add up.
    """
    new, outcomes = unknown(con, source, candidates)
    if not new:
        return outcomes
    con.execute(statement("admit/retaken"))
    with transaction(con):
        # Files of one batch are numbered by their hash, so that the numbering does not depend on names or arrival.
        next_id = _next(con, "SELECT coalesce(max(file_id), 0) + 1 FROM ops.file")
        numbered = []
        for candidate in sorted(new, key=lambda c: c.file_key):
            known = _known(con, source, candidate)
            is_first = known is None or known.status == "admitted"
            if known is not None and is_first:
                # What the first take brought stays as it was written: history names its batch and file.
                con.execute(
                    "UPDATE ops.file SET taken_again_as = $new WHERE file_id = $old",
                    {"new": next_id, "old": known.file_id},
                )
            file_id = next_id if known is None or is_first else known.file_id
            numbered.append((file_id, candidate))
            next_id += is_first
            con.execute(
                "INSERT INTO retaken SELECT file_id FROM ops.file WHERE source_system = $source AND file_key = $key AND file_id <> $id",
                {"source": source.name, "key": candidate.file_key, "id": file_id},
            )
        ready = [(file_id, c) for file_id, c in numbered if c.prepared is not None and c.verdict != "hold"]
        batch_id = _next(con, "SELECT coalesce(max(batch_id), 0) + 1 FROM ops.batch") if ready else None
        counts: dict[int, dict[str, int]] = {}
        if batch_id is not None:
            counts = _admit_batch(con, source, ready, batch_id, quarantine, now)
        outcomes += [
            _record_file(con, source, file_id, c, batch_id, counts.get(file_id), quarantine, now)
            for file_id, c in numbered
        ]
        con.execute("UPDATE ops.version SET revision = revision + 1")
    return outcomes


def refuse(con: duckdb.DuckDBPyConnection, file_id: int, reason: str, now: datetime) -> FileOutcome:
    """Note that an operator refuses a held file. Its bytes stay in the archive and its records in quarantine."""
    with transaction(con):
        con.execute(
            statement("admit/refuse"), {"file_id": file_id, "reason": f"refused by an operator: {reason}", "now": now}
        )
        con.execute("UPDATE ops.version SET revision = revision + 1")
        found = con.execute(
            "SELECT file_name, source_system, sha256, file_key, reasons FROM ops.file WHERE file_id = $id",
            {"id": file_id},
        ).fetchone()
    if found is None:
        raise NotFoundError(f"no file with id {file_id}. See: outcomes batch list")
    name, source, digest, key, reasons = found
    return FileOutcome(file_id, name, source, digest, key, "refused", True, tuple(reasons))


def _next(con: duckdb.DuckDBPyConnection, query: str) -> int:
    (number,) = con.execute(query).fetchone() or (1,)
    return int(number)


def unknown(
    con: duckdb.DuckDBPyConnection, source: Source, candidates: list[Candidate]
) -> tuple[list[Candidate], list[FileOutcome]]:
    """Candidates the ledger does not know (or could not read when it met them), and the outcome of those it knows."""
    new: dict[str, Candidate] = {}
    outcomes = []
    for candidate in candidates:
        known = _known(con, source, candidate)
        if known is None or known.status == "unreadable" or candidate.is_taken_again:
            new.setdefault(candidate.file_key, candidate)
        else:
            outcomes.append(known)
    return list(new.values()), outcomes


def _known(con: duckdb.DuckDBPyConnection, source: Source, candidate: Candidate) -> FileOutcome | None:
    """What the ledger says of the file, by its last take."""
    found = con.execute(
        "SELECT file_id, status, reasons, batch_id FROM ops.file WHERE source_system = $source AND file_key = $key AND taken_again_as IS NULL",
        {"source": source.name, "key": candidate.file_key},
    ).fetchone()
    if found is None:
        return None
    file_id, status, reasons, batch_id = found
    return FileOutcome(
        file_id,
        candidate.file_name,
        source.name,
        candidate.sha256,
        candidate.file_key,
        status,
        False,
        tuple(reasons),
        batch_id,
    )


def _admit_batch(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    ready: list[tuple[int, Candidate]],
    batch_id: int,
    quarantine: Path,
    now: datetime,
) -> dict[int, dict[str, int]]:
    """Merge the rows of a batch into history; returns counts by file."""
    con.execute("CREATE OR REPLACE TEMP TABLE refused_place (place BIGINT NOT NULL)")
    for file_id, candidate in ready:
        kept = quarantine / quarantine_name(source.name, candidate.file_key)
        if kept.exists():
            con.execute(
                "INSERT INTO refused_place SELECT DISTINCT $first_place + record_number FROM read_parquet($kept) WHERE action = 'refuse'",
                {"first_place": file_id * _PLACES_A_FILE, "kept": str(kept)},
            )
    for command in statement("admit/outcome_tables").split(";"):
        con.execute(command)
    fed = {table for _, c in ready if c.prepared for table in c.prepared.tables}
    record_source(con, source)
    for table in (t for t in TABLES if t in fed):
        _merge(
            con, table, [(file_id, c) for file_id, c in ready if c.prepared and table in c.prepared.tables], batch_id
        )
    con.execute(
        "INSERT INTO ops.batch VALUES ($batch_id, $source, $now, $files)",
        {"batch_id": batch_id, "source": source.name, "now": now, "files": len(ready)},
    )
    found = {
        row[0]: row[1:] for row in con.execute(statement("admit/counts", distinct=_distinct(source, ready))).fetchall()
    }
    names = ("admitted_count", "unchanged_count", "duplicate_count")
    return {file_id: dict(zip(names, found.get(file_id, (0, 0, 0)), strict=True)) for file_id, _ in ready}


def _distinct(source: Source, ready: list[tuple[int, Candidate]]) -> str:
    """Without a SELECT a file feeds one table, one row a record; then there is nothing to make distinct."""
    tables = {table for _, c in ready if c.prepared for table in c.prepared.tables}
    has_one_row = all(c.prepared and len(c.prepared.tables) == 1 for _, c in ready)
    return "" if has_one_row and not any(source.select(table) for table in tables) else "DISTINCT"


def record_source(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Note what the source's YAML says now, its basis of consent above all. The caller holds a transaction."""
    con.execute("DELETE FROM ops.source WHERE source_system = $source", {"source": source.name})
    con.execute(
        "INSERT INTO ops.source VALUES ($source, $description, $fingerprint, $basis)",
        {
            "source": source.name,
            "description": source.description,
            "fingerprint": source.fingerprint,
            "basis": source.consent.basis if source.consent else None,
        },
    )


def _merge(con: duckdb.DuckDBPyConnection, table: str, ready: list[tuple[int, Candidate]], batch_id: int) -> None:
    """Bring the batch's rows of one table into `history.<table>`."""
    spools = [str(c.spool / f"{table}.parquet") for _, c in ready]
    con.execute("CREATE OR REPLACE TEMP TABLE batch_file (file_id INTEGER NOT NULL, spool VARCHAR NOT NULL)")
    insert_rows(
        con,
        "batch_file",
        [{"file_id": file_id, "spool": spool} for (file_id, _), spool in zip(ready, spools, strict=True)],
    )
    parts = {
        "rows": quoted(f"{table}_arrived"),
        "contested": quoted(f"{table}_contested"),
        "content": quoted(f"{table}_content"),
        "history": f"history.{quoted(table)}",
    }
    listed = "[" + ", ".join(map(literal, spools)) + "]"
    con.execute(statement("admit/rows", view=parts["rows"], spools=listed))
    con.execute(statement("admit/contested", **parts))
    con.execute(statement("admit/content", **parts))
    con.execute(statement("admit/supersede", **parts), {"batch_id": batch_id})
    con.execute(statement("admit/exported_later", **parts))
    taken = (*LEDGER_COLUMNS, "exported_at", "record_number")
    columns = ",\n    ".join(f"arrived.{quoted(c.name)}" for c in contract(table).row_columns if c.name not in taken)
    con.execute(statement("admit/insert_uncontested", columns=columns, **parts), {"batch_id": batch_id})
    (added,) = con.execute(statement("admit/insert", columns=columns, **parts), {"batch_id": batch_id}).fetchone() or (
        0,
    )
    (new,) = con.execute(f"SELECT count(*) FROM {parts['content']} WHERE is_new").fetchone() or (0,)
    if added != new:
        raise BrokenIdentityError(
            f"{table}: {new:,} new versions would become {added:,} rows. Nothing was admitted. "
            "The source's SELECT yields the same row of one record more than once: mend it."
        )
    con.execute(statement("admit/admitted", **parts), {"batch_id": batch_id})
    if con.execute("SELECT count(*) FROM retaken").fetchone() != (0,):
        con.execute(statement("admit/retire", **parts), {"batch_id": batch_id})
    con.execute(statement("admit/unchanged", **parts))
    con.execute(statement("admit/duplicate", **parts))
    con.execute(f"DROP TABLE {parts['content']}")
    con.execute(f"DROP TABLE {parts['contested']}")


def _record_file(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    file_id: int,
    candidate: Candidate,
    batch_id: int | None,
    counts: dict[str, int] | None,
    quarantine: Path,
    now: datetime,
) -> FileOutcome:
    """Write one file's line of the ledger, with its quarantine and what its rules saw."""
    prepared = candidate.prepared
    status = "unreadable" if prepared is None else "held" if counts is None else "admitted"
    reasons = [candidate.unreadable or ""] if prepared is None else list(candidate.reasons)
    admitted_in = batch_id if status == "admitted" else None
    row: dict[str, object] = {
        "file_id": file_id,
        "source_system": source.name,
        "sha256": candidate.sha256,
        "file_key": candidate.file_key,
        "file_name": candidate.file_name,
        "byte_count": candidate.byte_count,
        "status": status,
        "verdict": candidate.verdict,
        "reasons": reasons,
        "batch_id": admitted_in,
        "exported_at": prepared.exported_at if prepared else None,
        "decided_at": now,
        "fingerprint": prepared.fingerprint if prepared else source.fingerprint,
        "read_count": prepared.read_count if prepared else None,
        "independent_count": prepared.independent_count if prepared else None,
        "quarantined_count": prepared.quarantined_count if prepared else None,
        "out_of_scope_count": prepared.out_of_scope_count if prepared else None,
        "warned_count": prepared.warned_count if prepared else None,
        "erased_count": len(prepared.forgotten_numbers) if prepared else 0,
        **(counts or dict.fromkeys(("admitted_count", "unchanged_count", "duplicate_count"))),
    }
    if prepared and counts is not None:
        _check_identity(candidate, prepared, counts)
    for ledger in ("ops.file", "ops.quarantine", "ops.rule_result"):
        con.execute(f"DELETE FROM {ledger} WHERE file_id = $file_id", {"file_id": file_id})
    con.execute(f"INSERT INTO ops.file BY NAME SELECT {', '.join(f'${name} AS {name}' for name in row)}", row)
    if prepared:
        _record_faults(con, file_id, quarantine / quarantine_name(source.name, candidate.file_key), prepared)
    shown = {name: value for name, value in row.items() if name.endswith("_count") and isinstance(value, int)}
    return FileOutcome(
        file_id,
        candidate.file_name,
        source.name,
        candidate.sha256,
        candidate.file_key,
        status,
        True,
        tuple(reasons),
        admitted_in,
        shown,
    )


def _check_identity(candidate: Candidate, prepared: Prepared, counts: dict[str, int]) -> None:
    disposed = sum(counts.values()) + prepared.quarantined_count + prepared.out_of_scope_count
    if disposed != prepared.read_count:
        raise BrokenIdentityError(
            f"{candidate.file_name}: {prepared.read_count:,} records were read but {disposed:,} disposed of. Nothing was admitted. "
            "This is a fault of the program: keep the file and report it."
        )


def _record_faults(con: duckdb.DuckDBPyConnection, file_id: int, kept: Path, prepared: Prepared) -> None:
    if kept.exists():
        con.execute(
            "INSERT INTO ops.quarantine SELECT $file_id, record_number, table_name, rule, column_name, action FROM read_parquet($kept)",
            {"file_id": file_id, "kept": str(kept)},
        )
    insert_rows(con, "ops.rule_result", [{"file_id": file_id, **asdict(result)} for result in prepared.rule_results])
