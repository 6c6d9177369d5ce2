"""Gate: whether a file may enter the warehouse. pass, warn or hold, with the reasons."""

from __future__ import annotations

import importlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from flows.settings import Workspace
from flows.stages.admit import Candidate
from flows.stages.prepare import Prepared
from schemas.contract import TABLES, contract
from schemas.quoting import literal, quoted
from schemas.sources import Source
from sql import statement

if TYPE_CHECKING:
    from flows.audit import Auditor

_AUDIT = "flows.audit"
# A delivery of less than this share of what its source usually brings is let through with a warning.
_USUAL_SHARE = 0.5
_warming: list[threading.Thread] = []


def warm_up() -> None:
    """Begin to import Great Expectations beside other work: it takes seconds, in which DuckDB prepares the files."""
    if not _warming:
        thread = threading.Thread(target=importlib.import_module, args=(_AUDIT,), daemon=True)
        _warming.append(thread)
        thread.start()


def judge(
    con: duckdb.DuckDBPyConnection, source: Source, candidates: list[Candidate], workspace: Workspace
) -> list[Candidate]:
    """Every prepared candidate with its verdict and reasons; the others as they are.

    The audit looks at all files of the batch together, and file by file only to find the one at fault.
    """
    kinds = {tuple(sorted(c.prepared.tables)) for c in candidates if c.prepared is not None}
    usual = {tables: _usual_volume(con, source, tables) for tables in kinds}
    judged = [c if c.prepared is None else _judged(c, c.prepared, source, usual) for c in candidates]
    ready = [c for c in judged if c.prepared is not None and c.verdict != "hold" and c.override is None]
    if not any(c.prepared and any(c.prepared.tables.values()) for c in ready):
        return judged
    audit = importlib.import_module(_AUDIT)
    with audit.auditing(con, workspace.folder("data-docs"), is_documented=workspace.settings.data_docs) as auditor:
        if _findings(con, auditor, ready):
            at_fault = {c.file_key: _findings(con, auditor, [c]) for c in ready}
            judged = [_held(c, at_fault.get(c.file_key, ())) for c in judged]
    return judged


def _findings(con: duckdb.DuckDBPyConnection, auditor: Auditor, candidates: list[Candidate]) -> tuple[str, ...]:
    """What the audit finds in the rows of these files together."""
    views = {}
    for table in TABLES:
        spools = [str(c.spool / f"{table}.parquet") for c in candidates if c.prepared and c.prepared.tables.get(table)]
        if spools:
            view = f"{table}_audited"
            listed = "[" + ", ".join(map(literal, spools)) + "]"
            con.execute(statement("admit/audited", view=quoted(view), spools=listed))
            views[contract(table)] = view
    name = f"{candidates[0].landed.source_name} {candidates[0].sha256[:12]}"
    return tuple(str(finding) for finding in auditor.audit(views, name)) if views else ()


def _held(candidate: Candidate, findings: tuple[str, ...]) -> Candidate:
    return replace(candidate, verdict="hold", reasons=candidate.reasons + findings) if findings else candidate


def _judged(
    candidate: Candidate, prepared: Prepared, source: Source, usual: dict[tuple[str, ...], float | None]
) -> Candidate:
    holds = list(prepared.holds)
    allowed = tolerance(source, prepared)
    if prepared.refused_share > allowed:
        holds.append(
            f"{prepared.quarantined_count:,} of {prepared.read_count - prepared.out_of_scope_count:,} records are refused, "
            f"{prepared.refused_share:.1%}; the tolerance is {allowed:.1%}"
        )
    if candidate.override is not None:
        return replace(candidate, verdict="warn", reasons=(*holds, f"admitted by an operator: {candidate.override}"))
    if holds:
        return replace(candidate, verdict="hold", reasons=tuple(holds))
    warnings = _oddities(prepared, usual[tuple(sorted(prepared.tables))])
    return replace(candidate, verdict="warn" if warnings else "pass", reasons=tuple(warnings))


def _usual_volume(con: duckdb.DuckDBPyConnection, source: Source, tables: tuple[str, ...]) -> float | None:
    """How many records the source's files for these tables have, by the ledger; None where it has too few of them."""
    found = con.execute(statement("admit/usual_volume"), {"source": source.name, "tables": list(tables)}).fetchone()
    return found[0] if found else None


def _oddities(prepared: Prepared, usual: float | None) -> list[str]:
    """What an operator may want to know of a file that is let through; `usual` is how many records its like have."""
    found = []
    if prepared.unknown_columns:
        found.append(
            f"columns that the source does not know, kept in the raw text only: {', '.join(prepared.unknown_columns)}"
        )
    if usual is not None and prepared.read_count < usual * _USUAL_SHARE:
        found.append(f"{prepared.read_count:,} records, where {usual:,.0f} are usual")
    if prepared.read_count == 0:
        found.append("a header and no records")
    return found


def tolerance(source: Source, prepared: Prepared) -> float:
    """The share of refused records up to which a file is admitted: the source's own, else the strictest of its tables'."""
    if source.tolerance is not None:
        return source.tolerance
    return min(contract(table).tolerance for table in prepared.tables)
