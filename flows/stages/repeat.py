"""Repeat: an old release computed anew, of the same batch and instant, and held against the figures that were stored then."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import duckdb

from flows.stages import build
from flows.stages.fingerprints import fingerprints
from flows.stages.frame import SUPPRESSED
from flows.stages.lifecycle import stored
from flows.stages.release import Release, SourceNote, compute
from sql import statement

_FIGURES = ("n_patients", "denominator", "value", "low", "high")
# Sums of fractions depend in their last digits on how many threads summed.
_RELATIVE = 1e-9


@dataclass(frozen=True)
class Repetition:
    """What came of a repeat. `differing` counts figures by table; `reasons` say what has changed since, if figures differ."""

    release_id: int | None
    as_of_batch: int
    as_of_at: datetime
    cell_count: int
    suppressed_count: int
    differing: dict[str, int]
    reasons: list[str]

    @property
    def is_compared(self) -> bool:
        return self.release_id is not None

    @property
    def is_exact(self) -> bool:
        return self.is_compared and not self.differing


def repeat_release(con: duckdb.DuckDBPyConnection, release_id: int) -> Repetition:
    """Build marts and figures as of a release and compare them with what is stored of it. Writes marts: give it a copy.

    Raises NotFoundError if there is no such release.
    """
    old = stored(con, release_id)
    build.build(con, old.as_of_batch, old.as_of_at)
    # Held against what had been approved when it was drafted, not since.
    before = (old.compared_with or 0) + 1
    found = compute(con, before, old.as_of_batch, old.as_of_at, old.minimum_cell)
    differing = differing_figures(old.frame.to_pylist(), found.frame.to_pylist())
    states = found.frame["state"].to_pylist()
    reasons = changes_since(con, old) if differing else []
    return Repetition(
        release_id, old.as_of_batch, old.as_of_at, len(states), states.count(SUPPRESSED), dict(differing), reasons
    )


def repeat_batch(con: duckdb.DuckDBPyConnection, batch: int, at: datetime, minimum_cell: int) -> Repetition:
    """Figures as of a batch of which no release was made: there is nothing to compare them with."""
    build.build(con, batch, at)
    found = compute(con, 0, batch, at, minimum_cell)
    states = found.frame["state"].to_pylist()
    return Repetition(None, batch, at, len(states), states.count(SUPPRESSED), {}, [])


def differing_figures(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """By table, how many figures are in one frame only or are not the same in both."""
    old = {_place(row): row for row in before}
    fresh = {_place(row): row for row in after}
    return Counter(
        place[0]
        for place in sorted(old.keys() | fresh.keys())
        if place not in old or place not in fresh or not _is_same(old[place], fresh[place])
    )


def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["table_id"], row["cell_key"], row["statistic"]


def _is_same(old: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
    told = ("state", "unit", "as_of_batch", "as_of_at")
    return all(old[name] == fresh[name] for name in told) and all(
        _is_close(old[name], fresh[name]) for name in _FIGURES
    )


def _is_close(old: float | None, fresh: float | None) -> bool:
    if old is None or fresh is None:
        return old is fresh
    return math.isclose(old, fresh, rel_tol=_RELATIVE, abs_tol=1e-12)


def changes_since(con: duckdb.DuckDBPyConnection, old: Release) -> list[str]:
    """What has changed since a release was drafted and can make figures differ: each a sentence."""
    found = []
    (erased,) = con.execute(statement("lifecycle/erased_since"), {"before": old.erasure_count}).fetchone() or (0,)
    if erased:
        found.append(f"{erased:,} {'person was' if erased == 1 else 'people were'} forgotten since")
    now = fingerprints()
    changed = [part for part in now if now[part] != old.fingerprints.get(part)]
    if changed:
        found.append(f"changed since: {', '.join(changed)}")
    sources = con.execute("SELECT source_system, description, consent_basis FROM ops.source").fetchall()
    bases = {note.source_system: note.consent_basis for note in (SourceNote(*row) for row in sources)}
    stated = [note.source_system for note in old.sources if bases.get(note.source_system) != note.consent_basis]
    if stated:
        found.append(f"another basis of consent since: source {', '.join(stated)}")
    (decided,) = con.execute(statement("lifecycle/decided_since"), {"at": old.released_at}).fetchone() or (0,)
    if decided:
        found.append(f"{decided:,} held {'file was' if decided == 1 else 'files were'} decided on since")
    return found


def as_data(found: Repetition) -> dict[str, Any]:
    """The repetition as the command line gives it in JSON."""
    return asdict(found) | {"is_exact": found.is_exact}
