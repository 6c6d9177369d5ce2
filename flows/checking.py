"""What a contract makes of files, before anyone loads them."""

from __future__ import annotations

import secrets
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from flows.errors import HeldError, UnreadableError
from flows.settings import Settings
from flows.stages import reading
from flows.stages.gate import tolerance
from flows.stages.land import existing_file, known_source, known_sources
from flows.stages.prepare import Prepared, prepare_file
from schemas.sources import Source

_LINES_SHOWN = 5


@dataclass(frozen=True)
class Fault:
    """A rule that records of the file break, and the first lines where."""

    rule: str
    column: str | None
    action: str
    record_count: int
    lines: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What would become of one file."""

    file_name: str
    exit_code: int
    sentence: str
    read_count: int | None = None
    refused_count: int | None = None
    faults: list[Fault] = field(default_factory=list)


def check_files(paths: list[Path], source_name: str, own_sources: Path | None, now: datetime) -> list[Verdict]:
    """The verdict on each file. Raises NotFoundError if one is missing, UsageError if the source is unknown."""
    source = known_source(known_sources(own_sources), source_name)
    for path in paths:
        existing_file(path)
    return [_check(path, source, now) for path in paths]


def _check(path: Path, source: Source, now: datetime) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        quarantine = Path(folder) / "quarantine.parquet"
        try:
            scanned = reading.scan(path, source)
            # Nothing of this is kept, so any key will do.
            prepared = prepare_file(
                path,
                path.name,
                scanned,
                source,
                secrets.token_bytes(32),
                now,
                Path(folder) / "spool",
                quarantine,
                Settings(),
            )
        except UnreadableError as error:
            return Verdict(path.name, error.exit_code, str(error).removeprefix(f"{path.name}: "))
        faults = _faults(quarantine)
    return _verdict(path.name, prepared, faults, tolerance(source, prepared))


def _verdict(name: str, prepared: Prepared, faults: list[Fault], allowed: float) -> Verdict:
    reasons = list(prepared.holds)
    if prepared.refused_share > allowed:
        reasons.append(f"{prepared.refused_share:.1%} of the records are refused, the tolerance is {allowed:.1%}")
    counted = f"{prepared.read_count:,} records, {prepared.quarantined_count:,} refused, {prepared.warned_count:,} with a warning"
    if prepared.out_of_scope_count:
        counted += f", {prepared.out_of_scope_count:,} out of scope"
    sentence = f"would be held: {'; '.join(reasons)} ({counted})" if reasons else f"would be admitted ({counted})"
    return Verdict(
        name, HeldError.exit_code if reasons else 0, sentence, prepared.read_count, prepared.quarantined_count, faults
    )


def _faults(kept: Path) -> list[Fault]:
    if not kept.exists():
        return []
    import pyarrow.parquet as pq

    columns = ["rule", "column_name", "action", "message", "line"]
    rows = pq.read_table(kept, columns=columns).to_pylist()
    counts = Counter((r["rule"], r["column_name"], r["action"], r["message"]) for r in rows)
    lines: dict[str, list[str]] = {}
    for row in rows:
        lines.setdefault(row["rule"], []).append(str(row["line"] or "?"))
    return [
        Fault(
            rule,
            column,
            action,
            count,
            ", ".join(lines[rule][:_LINES_SHOWN]) + (" …" if len(lines[rule]) > _LINES_SHOWN else ""),
            message,
        )
        for (rule, column, action, message), count in counts.most_common()
    ]
