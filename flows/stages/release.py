"""Release: all figures of a report as one long frame, suppressed once, here, and kept as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from flows.errors import HeldError, PipelineError
from flows.stages.cells import Cell, decide, read_cells, remainder_key
from flows.stages.fingerprints import fingerprint, fingerprints
from flows.stages.frame import SHOWN, SUPPRESSED, publishable
from flows.stages.suppression import Suppression
from flows.warehouse import insert_rows, transaction
from sql import statement

if TYPE_CHECKING:
    import pyarrow as pa

    from flows.stages.differences import FigureDifference


@dataclass(frozen=True)
class SourceNote:
    """A source as the report names it; `consent_basis` where the source states one for all its patients."""

    source_system: str
    description: str
    consent_basis: str | None


@dataclass(frozen=True)
class Release:
    """A drafted release. `frame` holds what may leave and nothing else: pages are made from it."""

    release_id: int
    as_of_batch: int
    as_of_at: datetime
    released_at: datetime
    minimum_cell: int
    frame: pa.Table
    window_from_on: date
    window_to_on: date
    fingerprint: str
    sources: tuple[SourceNote, ...] = ()
    status: str = "draft"
    compared_with: int | None = None
    fingerprints: dict[str, str] = field(default_factory=dict)
    erasure_count: int = 0
    # By table, how its figures differ from those of the release it was compared with.
    differences: tuple[FigureDifference, ...] = ()

    @property
    def suppressed_count(self) -> int:
        return sum(state == SUPPRESSED for state in self.frame["state"].to_pylist())


def draft(
    con: duckdb.DuckDBPyConnection, *, as_of_batch: int, as_of_at: datetime, now: datetime, minimum_cell: int
) -> Release:
    """Draft a release from the marts, which must have been built as of the same batch and instant; store and return it.

    Nothing is published by it: what it shows counts as shown once it is approved. A release of the same batch, instant and
    statements that is approved already is returned as it is stored.

    The caller holds the writer lock. Raises PipelineError if the marts were built as of another batch or instant,
    HeldError if the release could not be made safe (then nothing is stored), or if the same one was held by an operator.
    """
    # What becomes of releases is told in terms of what they are: that module reads this one.
    from flows.stages.lifecycle import stored, supersede

    release_id, released_at, is_approved = _number(con, as_of_batch, as_of_at, minimum_cell, now)
    if is_approved:
        return stored(con, release_id)
    window_from_on, window_to_on = _check_marts(con, as_of_batch, as_of_at)
    found = compute(con, release_id, as_of_batch, as_of_at, minimum_cell)
    sources = con.execute("SELECT source_system, description, consent_basis FROM ops.source ORDER BY ALL").fetchall()
    (erasure_count,) = con.execute("SELECT count(*) FROM ops.erasure").fetchone() or (0,)
    release = Release(
        release_id,
        as_of_batch,
        as_of_at,
        released_at,
        minimum_cell,
        found.frame,
        window_from_on,
        window_to_on,
        fingerprint(),
        tuple(SourceNote(*row) for row in sources),
        "draft",
        last_approved(con),
        fingerprints(),
        erasure_count,
    )
    with transaction(con):
        _store(con, release)
        _note_shown(con, release_id, found.cells, found.decided.hidden)
        supersede(con, release_id, now)
    return stored(con, release_id)


@dataclass(frozen=True)
class Computed:
    """A release as it follows from the marts: its cells stay inside, its frame may leave."""

    cells: list[Cell]
    decided: Suppression
    frame: pa.Table


def compute(
    con: duckdb.DuckDBPyConnection, release_id: int, as_of_batch: int, as_of_at: datetime, minimum_cell: int
) -> Computed:
    """The cells of the marts, what must be hidden of them, and the frame; compared with what earlier releases showed."""
    cells = read_cells(con)
    shown = shown_before(con, release_id)
    decided = decide(cells, minimum_cell, held_back(cells, shown, minimum_cell))
    frame = publishable(con, cells, decided.hidden, release_id, as_of_batch, as_of_at)
    return Computed(cells, decided, _as_shown_before(con, frame, cells, decided.hidden, shown))


def last_approved(con: duckdb.DuckDBPyConnection) -> int | None:
    """The release that readers have, if there is one."""
    found = con.execute(statement("lifecycle/approved")).fetchone()
    return None if found is None else int(found[0])


@dataclass(frozen=True)
class ShownCell:
    """A cell as it was last shown, and of whom: see the macro `patient_mark`."""

    release_id: int
    cell_count: int
    patient_set: int | None


def shown_before(con: duckdb.DuckDBPyConnection, before: int | None = None) -> dict[str, ShownCell]:
    """Every cell that an approved release has shown, by key, as the last of them did; of those before one, or of all.

    What a draft shows that was not approved nobody has seen: nothing is compared with it.
    """
    rows = con.execute(statement("lifecycle/last_shown"), {"before": before}).fetchall()
    return {key: ShownCell(*row) for key, *row in rows}


def held_back(cells: Sequence[Cell], shown: Mapping[str, ShownCell], minimum_cell: int) -> frozenset[str]:
    """Keys of the cells and remainders that would differ from what was last shown by fewer than `minimum_cell` patients.

    Those who joined and those who left count, not their difference (addendum E, step 9); of records, for which nobody knows
    whose they are, the difference counts. Two releases side by side would give these few away.
    """
    held = set()
    now = {cell.cell_key: cell for cell in cells if cell.is_guarded}
    for cell in now.values():
        before = shown.get(cell.cell_key)
        if before is None:
            continue
        if 0 < least_difference(before, cell.cell_count, cell.patient_set) < minimum_cell:
            held.add(cell.cell_key)
        whole = now.get(cell.denominator_key or "")
        whole_before = shown.get(cell.denominator_key or "")
        if whole is None or whole_before is None:
            continue
        rest_before = ShownCell(
            0, whole_before.cell_count - before.cell_count, _other(whole_before.patient_set, before.patient_set)
        )
        rest_set = _other(whole.patient_set, cell.patient_set)
        if 0 < least_difference(rest_before, whole.cell_count - cell.cell_count, rest_set) < minimum_cell:
            held.add(remainder_key(cell))
    return frozenset(held)


def _other(whole: int | None, part: int | None) -> int | None:
    return None if whole is None or part is None else whole ^ part


def least_difference(before: ShownCell, count: int, patient_set: int | None) -> int:
    """At least so many patients are in one of two sets and not in both; 0 only if the sets are the same."""
    difference = abs(count - before.cell_count)
    if patient_set is None or before.patient_set is None:
        return difference
    changed = patient_set ^ before.patient_set
    bits = (changed & ((1 << 64) - 1)).bit_count()
    return max(difference, bits, int(changed != 0))


def _number(
    con: duckdb.DuckDBPyConnection, as_of_batch: int, as_of_at: datetime, minimum_cell: int, now: datetime
) -> tuple[int, datetime, bool]:
    """The number and time of the release, and whether it is approved: a new one, or the last one's if it was of the same batch,
    instant and statements.

    The same report asked again is the same release, be it that the first was interrupted. What an operator held stays held.
    """
    same = con.execute(
        statement("lifecycle/same_release"),
        {"batch": as_of_batch, "at": as_of_at, "cell": minimum_cell, "fingerprint": fingerprint()},
    ).fetchone()
    if same is not None:
        release_id, released_at, status, reason = same
        if status == "held":
            raise HeldError(
                f"release {release_id} is the same report, and was held: {reason}. "
                f"Decide anew: outcomes release approve {release_id} --reason …"
            )
        return int(release_id), released_at, status == "approved"
    (last,) = con.execute("SELECT coalesce(max(release_id), 0) FROM ops.release").fetchone() or (0,)
    return int(last) + 1, now, False


def _as_shown_before(
    con: duckdb.DuckDBPyConnection,
    frame: pa.Table,
    cells: Sequence[Cell],
    hidden: frozenset[str],
    shown: Mapping[str, ShownCell],
) -> pa.Table:
    """The frame with every figure that was shown before and may not be shown anew as it was, with the batch and instant of then.

    Whatever the cell counts by now: if those stood alone that are still great enough, that one stands would say that it is, and
    that one does not, that it has become too small.
    """
    import pyarrow as pa

    kept = {
        cell.cell_key: shown[cell.cell_key].release_id
        for cell in cells
        if cell.is_guarded and cell.cell_key in hidden and cell.cell_key in shown
    }
    if not kept:
        return frame
    columns = ", ".join(frame.schema.names)
    old = con.execute(
        f"SELECT {columns} FROM ops.release_cell WHERE state = $shown AND cell_key IN (SELECT unnest($keys::VARCHAR[]))",
        {"shown": SHOWN, "keys": sorted(kept)},
    ).to_arrow_table()
    before = {
        (row["table_id"], row["cell_key"], row["statistic"]): row
        for row in old.to_pylist()
        if kept[row["cell_key"]] == row["release_id"]
    }
    rows = []
    for row in frame.to_pylist():
        last = before.get((row["table_id"], row["cell_key"], row["statistic"]))
        rows.append(last | {"release_id": row["release_id"]} if last and row["state"] == SUPPRESSED else row)
    return pa.Table.from_pylist(rows, schema=frame.schema)


def _note_shown(con: duckdb.DuckDBPyConnection, release_id: int, cells: Sequence[Cell], hidden: frozenset[str]) -> None:
    rows = {
        cell.cell_key: (cell.cell_count, None if cell.patient_set is None else str(cell.patient_set))
        for cell in cells
        if cell.is_guarded and cell.cell_key not in hidden
    }
    con.execute("DELETE FROM ops.shown_cell WHERE release_id = $id", {"id": release_id})
    con.execute(
        "INSERT INTO ops.shown_cell SELECT $id, unnest($keys::VARCHAR[]), unnest($counts::BIGINT[]), "
        "unnest($sets::VARCHAR[])::UHUGEINT",
        {
            "id": release_id,
            "keys": list(rows),
            "counts": [n for n, _ in rows.values()],
            "sets": [s for _, s in rows.values()],
        },
    )


def _check_marts(con: duckdb.DuckDBPyConnection, as_of_batch: int, as_of_at: datetime) -> tuple[date, date]:
    row = con.execute("SELECT as_of_batch, epoch_us(as_of_at), window_from_on, as_of_on FROM marts.as_of").fetchone()
    if row is None or row[0] != as_of_batch or row[1] != round(as_of_at.timestamp() * 1_000_000):
        raise PipelineError("marts were built as of another batch or instant than the release. Build them first.")
    return row[2], row[3]


def _store(con: duckdb.DuckDBPyConnection, release: Release) -> None:
    row: dict[str, Any] = {
        "release_id": release.release_id,
        "as_of_batch": release.as_of_batch,
        "as_of_at": release.as_of_at,
        "released_at": release.released_at,
        "status": "draft",
        "fingerprint": release.fingerprint,
        "minimum_cell": release.minimum_cell,
        "cell_count": release.frame.num_rows,
        "suppressed_count": release.suppressed_count,
        "compared_with": release.compared_with,
        "window_from_on": release.window_from_on,
        "window_to_on": release.window_to_on,
        "sources": [asdict(source) for source in release.sources],
        "fingerprints": [{"part": part, "mark": mark} for part, mark in release.fingerprints.items()],
        "erasure_count": release.erasure_count,
    }
    for table in ("ops.release", "ops.release_cell"):
        con.execute(f"DELETE FROM {table} WHERE release_id = $id", {"id": release.release_id})
    insert_rows(con, "ops.release", [row])
    con.register("release_frame", release.frame)
    try:
        con.execute("INSERT INTO ops.release_cell BY NAME SELECT * FROM release_frame")
    finally:
        con.unregister("release_frame")
    con.execute("UPDATE ops.version SET revision = revision + 1")
