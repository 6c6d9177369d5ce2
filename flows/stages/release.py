"""Release: all figures of a report as one long frame, suppressed once, here, and kept as published."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from flows.errors import HeldError, PipelineError
from flows.stages.fingerprints import fingerprint, fingerprints
from flows.stages.suppression import Relation, Suppression, Table, suppress
from flows.warehouse import insert_rows, transaction
from schemas.topics import words
from sql import statement, statements

if TYPE_CHECKING:
    import pyarrow as pa

    from flows.stages.differences import FigureDifference

SHOWN, SUPPRESSED = "shown", "suppressed"
# Counts of these are held back; files and codes are no people.
_GUARDED_UNITS = ("patients", "records")
_WILSON, _SHARE, _COUNT = "Wilson (1927), 95 %", "share of a complete count", "count"


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
    withdrawn_tables: tuple[str, ...] = ()
    status: str = "draft"
    compared_with: int | None = None
    fingerprints: dict[str, str] = field(default_factory=dict)
    erasure_count: int = 0
    # By table, how its figures differ from those of the release it was compared with.
    differences: tuple[FigureDifference, ...] = ()

    @property
    def suppressed_count(self) -> int:
        return sum(state == SUPPRESSED for state in self.frame["state"].to_pylist())


@dataclass(frozen=True)
class Statistic:
    """A figure about the patients of a cell that is no count of them: a mean, a rate, a point of a curve.

    `needs` are the keys of further cells that it could be computed back to: it is shown only if the cell, all these, and
    of each its denominator and the rest of that are shown.
    """

    statistic: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    method: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A figure as the marts have it: exact, not to leave."""

    topic: str
    table_id: str
    position: float
    dimension_1: str
    value_1: str
    dimension_2: str | None
    value_2: str | None
    cell_key: str
    denominator_key: str | None
    cell_count: int
    patient_set: int | None
    part_of: tuple[tuple[str, str], ...]
    unit: str
    has_interval: bool
    is_expendable: bool
    mart: str
    covers_key: str | None = None
    subject_kind: str | None = None
    subject: str | None = None
    statistics: tuple[Statistic, ...] = ()

    @property
    def is_guarded(self) -> bool:
        return self.unit in _GUARDED_UNITS


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
        found.decided.withdrawn,
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
    return Computed(cells, decided, _as_shown_before(con, frame, cells, decided.hidden, shown, minimum_cell))


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
    minimum_cell: int,
) -> pa.Table:
    """The frame with every figure that is held back as it was last shown, with the batch and instant of then.

    A cell of fewer than `minimum_cell` is not shown as it was when it had more.
    """
    import pyarrow as pa

    kept = {
        cell.cell_key: shown[cell.cell_key].release_id
        for cell in cells
        if cell.is_guarded and cell.cell_count >= minimum_cell and cell.cell_key in hidden and cell.cell_key in shown
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


def read_cells(con: duckdb.DuckDBPyConnection) -> list[Cell]:
    """Every cell of every table, in the order in which a reader meets them; never in an order that counts decide."""
    found: list[Cell] = []
    for path in statements("release"):
        result = con.execute(statement(path))
        names = [column[0] for column in result.description]
        cells = []
        for row in result.fetchall():
            values = dict(zip(names, row, strict=True))
            values["part_of"] = tuple((part["parent"], part["division"]) for part in values["part_of"])
            values["statistics"] = tuple(
                Statistic(**(found | {"needs": tuple(found["needs"])})) for found in values.get("statistics") or ()
            )
            cells.append(Cell(**values))
        first: dict[tuple[str, str], float] = {}
        for cell in cells:
            group = (cell.table_id, cell.value_1)
            first[group] = min(first.get(group, cell.position), cell.position)
        found += sorted(
            cells, key=lambda c: (c.table_id, first[c.table_id, c.value_1], c.value_1, c.position, c.cell_key)
        )
    return found


def decide(cells: Sequence[Cell], minimum_cell: int, held: frozenset[str] = frozenset()) -> Suppression:
    """What must be hidden of the cells, and of the remainders that follow from them; `held` are hidden for their own sake."""
    relations = relations_of(cells)
    # Of parts that overlap n-fold at most, an excess of n - 1 may be one patient's: so many count as one.
    few = {key for key, most in relations.overlaps.items() if 0 < relations.counts[key] < 1 + most * (minimum_cell - 1)}
    few |= {relations.names[key] for key in held if relations.counts[relations.names[key]] > 0}
    decided = suppress(
        relations.counts, relations.relations, minimum_cell, relations.tables, relations.expendable, frozenset(few)
    )
    hidden = frozenset(key for key, name in relations.names.items() if name in decided.hidden)
    return Suppression(hidden, decided.primary, decided.withdrawn)


def remainder_key(cell: Cell) -> str:
    """The patients of the denominator who are not of the cell."""
    return f"{cell.denominator_key} but not {cell.cell_key}"


def excess_key(whole: str) -> str:
    """By how much the parts that cover a whole exceed it: a patient in m of them counts m - 1 times."""
    return f"{whole} counted more than once"


@dataclass(frozen=True)
class CellRelations:
    """What an attacker may compute: counts, sums, and the tables in which cells stand.

    `names` gives each cell key the one name of its set of patients: a count that is hidden in one table and shown in
    another, under another name, is not hidden. `overlaps` says how often one patient can count in an excess.
    """

    counts: dict[str, int]
    relations: list[Relation]
    tables: dict[str, Table]
    expendable: frozenset[str]
    names: dict[str, str]
    overlaps: dict[str, int]


def relations_of(cells: Sequence[Cell]) -> CellRelations:
    """The guarded cells with their counts and all that can be computed from one another.

    Three kinds of relation: parts that add up to a whole; whole = share + remainder, for every share that is shown; and
    sum of the parts = whole + excess, for parts that overlap and cover the whole.
    Remainders, sums and excesses are shown nowhere, so hiding one costs nothing, unless it is the very patients of a cell
    that is shown.
    """
    guarded = [cell for cell in cells if cell.is_guarded]
    counts: dict[str, int] = {}
    patients: dict[str, int] = {}
    for cell in guarded:
        if counts.setdefault(cell.cell_key, cell.cell_count) != cell.cell_count:
            raise PipelineError(f"release: '{cell.cell_key}' has two counts. This is a fault of the program.")
        if cell.patient_set is not None:
            patients[cell.cell_key] = cell.patient_set
    shown = frozenset(counts)
    sums: dict[tuple[str, str], set[str]] = {}
    for cell in guarded:
        for whole in cell.part_of:
            sums.setdefault(whole, set()).add(cell.cell_key)
        if cell.denominator_key is None:
            continue
        remainder = remainder_key(cell)
        counts[remainder] = counts[cell.denominator_key] - cell.cell_count
        if counts[remainder] < 0:
            raise PipelineError(
                f"release: '{cell.cell_key}' is greater than its whole. This is a fault of the program."
            )
        if cell.cell_key in patients and cell.denominator_key in patients:
            # A fingerprint is the exclusive or of hashes, so that of what is left over needs no look at the patients.
            patients[remainder] = patients[cell.denominator_key] ^ patients[cell.cell_key]
        sums[cell.denominator_key, remainder] = {cell.cell_key, remainder}
    names = _names(counts, patients, shown)
    overlaps = _cover(guarded, counts, names, sums)
    relations = {
        Relation(names[whole], tuple(sorted(names[part] for part in parts))) for (whole, _), parts in sums.items()
    }
    relations |= _merged_values(guarded, counts, patients, names)
    in_table: dict[str, set[str]] = {}
    for cell in guarded:
        keys = (cell.cell_key, remainder_key(cell)) if cell.denominator_key else (cell.cell_key,)
        in_table.setdefault(cell.table_id, set()).update(names[key] for key in keys)
        if cell.covers_key is not None:
            in_table[cell.table_id] |= {_total_key(cell.covers_key), excess_key(cell.covers_key)}
    topics = {cell.table_id: cell.topic for cell in guarded}
    worth_more = {names[cell.cell_key] for cell in guarded if not cell.is_expendable}
    return CellRelations(
        {names[key]: count for key, count in counts.items()},
        # All of a whole and none of it, under one name: nothing follows from that.
        sorted(relation for relation in relations if relation.parent not in relation.children),
        {name: Table(topics[name], frozenset(keys)) for name, keys in in_table.items()},
        frozenset(names.values()) - worth_more,
        names,
        overlaps,
    )


def _merged_values(
    guarded: Sequence[Cell], counts: Mapping[str, int], patients: Mapping[str, int], names: Mapping[str, str]
) -> set[Relation]:
    """Two values of one dimension that together are a third cell, of whatever table, declared or not: so their fingerprints say.

    "Blames inactivity" of one page is "inactivity" and "both" of another, but only where everybody's activity is known: such a
    sum depends on the records, so that no statement can declare it.
    """
    named: dict[tuple[int, int], str] = {}
    siblings: dict[tuple[object, ...], set[str]] = {}
    for cell in guarded:
        if cell.cell_key in patients and cell.cell_count:
            named[cell.cell_count, patients[cell.cell_key]] = names[cell.cell_key]
            for fixed in ((cell.dimension_2, cell.value_2), (cell.dimension_1, cell.value_1)):
                siblings.setdefault((cell.table_id, *fixed), set()).add(cell.cell_key)
    found = set()
    for keys in siblings.values():
        for one, other in itertools.combinations(sorted(keys), 2):
            whole = named.get((counts[one] + counts[other], patients[one] ^ patients[other]))
            if whole is not None and len({whole, names[one], names[other]}) == 3:
                found.add(Relation(whole, tuple(sorted((names[one], names[other])))))
    return found


def _total_key(whole: str) -> str:
    return f"{whole} in all its parts"


def _cover(
    guarded: Sequence[Cell], counts: dict[str, int], names: dict[str, str], sums: dict[tuple[str, str], set[str]]
) -> dict[str, int]:
    """Add sum of the parts = whole + excess for every whole that parts cover; of each excess, how often it can count one.

    Parts of the very same patients are one part: that they overlap is no secret, and each count stands in a sum once.
    """
    covered: dict[str, set[str]] = {}
    for cell in guarded:
        if cell.covers_key is not None:
            covered.setdefault(cell.covers_key, set()).add(names[cell.cell_key])
    overlaps = {}
    for whole, parts in covered.items():
        total, excess = _total_key(whole), excess_key(whole)
        counts[total] = sum(counts[part] for part in parts)
        counts[excess] = counts[total] - counts[whole]
        if counts[excess] < 0:
            raise PipelineError(f"release: the parts of '{whole}' do not cover it. This is a fault of the program.")
        names |= {total: total, excess: excess}
        sums[total, "parts"], sums[total, "whole"] = parts, {whole, excess}
        overlaps[excess] = max(1, sum(counts[part] > 0 for part in parts) - 1)
    return overlaps


def _names(counts: dict[str, int], patients: dict[str, int], shown: frozenset[str]) -> dict[str, str]:
    """One name for every set of patients: that of a cell which is shown, if there is one."""
    first: dict[tuple[int, int], str] = {}
    names = {}
    for key in sorted(counts, key=lambda k: (k not in shown, k)):
        known = counts[key] > 0 and key in patients
        names[key] = first.setdefault((counts[key], patients[key]), key) if known else key
    return names


def publishable(
    con: duckdb.DuckDBPyConnection,
    cells: Sequence[Cell],
    hidden: frozenset[str],
    release_id: int,
    as_of_batch: int,
    as_of_at: datetime,
) -> pa.Table:
    """The frame as it may leave: of every cell a count and, if it has a denominator, a share; NULL where hidden."""
    import pyarrow as pa

    schema = frame_schema()
    if not cells:
        return schema.empty_table()
    counts = {cell.cell_key: cell.cell_count for cell in cells}
    by_key = {cell.cell_key: cell for cell in cells}
    intervals = _intervals(con, cells, counts)
    rows = []
    for cell in cells:
        whole = cell.denominator_key
        total = counts[whole] if whole is not None else None
        is_hidden = cell.is_guarded and cell.cell_key in hidden
        # A share gives away its count, its denominator and the rest: it is shown only if all three are.
        is_share_hidden = (
            cell.is_guarded and whole is not None and bool(hidden & {cell.cell_key, whole, remainder_key(cell)})
        )
        common = {
            "release_id": release_id,
            "topic": cell.topic,
            "table_id": cell.table_id,
            "cell_key": cell.cell_key,
            "subject_kind": cell.subject_kind,
            "subject": cell.subject,
            "dimension_1": cell.dimension_1,
            "value_1": cell.value_1,
            "label_1": label(cell.dimension_1, cell.value_1),
            "dimension_2": cell.dimension_2,
            "value_2": cell.value_2,
            "label_2": label(cell.dimension_2, cell.value_2) if cell.dimension_2 and cell.value_2 else None,
            "unit": cell.unit,
            "mart": cell.mart,
            "as_of_at": as_of_at,
            "as_of_batch": as_of_batch,
        }
        shown_total = None if is_hidden or (whole is not None and cell.is_guarded and whole in hidden) else total
        is_patients = cell.unit == "patients"
        rows.append(
            common
            | {
                "statistic": "count",
                "method": _COUNT,
                "state": SUPPRESSED if is_hidden else SHOWN,
                "n_patients": cell.cell_count if is_patients and not is_hidden else None,
                "denominator": shown_total,
                "value": None if is_hidden else float(cell.cell_count),
                "low": None,
                "high": None,
            }
        )
        rows += [
            common
            | _shown_statistic(found, cell, total, is_hidden=bool(hidden & _computed_back_to(cell, found, by_key)))
            for found in cell.statistics
            if cell.cell_count
        ]
        if not total:
            continue
        low, high = intervals.get((cell.cell_count, total), (None, None)) if cell.has_interval else (None, None)
        rows.append(
            common
            | {
                "statistic": "share",
                "method": _WILSON if cell.has_interval else _SHARE,
                "state": SUPPRESSED if is_share_hidden else SHOWN,
                "n_patients": cell.cell_count if is_patients and not is_share_hidden else None,
                "denominator": None if is_share_hidden else total,
                "value": None if is_share_hidden else cell.cell_count / total,
                "low": None if is_share_hidden else low,
                "high": None if is_share_hidden else high,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema)


def _computed_back_to(cell: Cell, found: Statistic, by_key: Mapping[str, Cell]) -> set[str]:
    """The keys of all cells and remainders that a statistic could be computed back to."""
    keys: set[str] = set()
    for key in (cell.cell_key, *found.needs):
        if key not in by_key:
            raise PipelineError(f"release: '{found.statistic}' of '{cell.cell_key}' needs '{key}', which is no cell.")
        keys.add(key)
        if (whole := by_key[key].denominator_key) is not None:
            keys |= {whole, remainder_key(by_key[key])}
    return keys


def _shown_statistic(found: Statistic, cell: Cell, total: int | None, *, is_hidden: bool) -> dict[str, Any]:
    is_patients = cell.unit == "patients"
    return {
        "statistic": found.statistic,
        "unit": found.unit,
        "method": found.method,
        "state": SUPPRESSED if is_hidden else SHOWN,
        "n_patients": None if is_hidden or not is_patients else cell.cell_count,
        "denominator": None if is_hidden else total,
        "value": None if is_hidden else found.value,
        "low": None if is_hidden else found.low,
        "high": None if is_hidden else found.high,
    }


def _intervals(
    con: duckdb.DuckDBPyConnection, cells: Iterable[Cell], counts: dict[str, int]
) -> dict[tuple[int, int], tuple[float, float]]:
    """Wilson limits of every pair of count and denominator, by the macros the marts use."""
    pairs = sorted({(c.cell_count, counts[c.denominator_key]) for c in cells if c.has_interval and c.denominator_key})
    if not pairs:
        return {}
    found = con.execute(
        "SELECT x, n, wilson_low(x, n), wilson_high(x, n) "
        "FROM (SELECT unnest($x::BIGINT[]) AS x, unnest($n::BIGINT[]) AS n)",
        {"x": [x for x, _ in pairs], "n": [n for _, n in pairs]},
    )
    return {(x, n): (low, high) for x, n, low, high in found.fetchall()}


def frame_schema() -> pa.Schema:
    """Columns of a release frame, in the order of `ops.release_cell`."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    return pa.schema(
        [
            ("release_id", pa.int32()),
            ("topic", text),
            ("table_id", text),
            ("cell_key", text),
            ("subject_kind", text),
            ("subject", text),
            ("dimension_1", text),
            ("value_1", text),
            ("label_1", text),
            ("dimension_2", text),
            ("value_2", text),
            ("label_2", text),
            ("statistic", text),
            ("unit", text),
            ("n_patients", count),
            ("denominator", count),
            ("value", number),
            ("low", number),
            ("high", number),
            ("state", text),
            ("mart", text),
            ("method", text),
            ("as_of_at", pa.timestamp("us", tz="UTC")),
            ("as_of_batch", pa.int32()),
        ]
    )


# Dimensions whose values are codes of a list.
_CODE_LISTS = {
    "symptom": "symptom",
    "co_symptom": "symptom",
    "purpose": "symptom",
    "side_effect": "symptom",
    "treatment": "treatment",
    "activity": "activity",
    "instrument": "instrument",
}


def label(dimension: str, value: str) -> str:
    """The words for a value: of a topic, else of the contract or code list, else the value itself."""
    if value in (known := words().get(dimension, {})):
        return known[value]
    if dimension == "treatment for purpose":
        treatment, _, purpose = value.partition(" for ")
        what_for = "no stated purpose" if purpose == "not_stated" else _in_sentence(_code_label("symptom", purpose))
        return f"{_code_label('treatment', treatment)} for {what_for}"
    if dimension == "instrument_scale":
        from schemas.instruments import scale_label

        return scale_label(value)
    if (listed := _CODE_LISTS.get(dimension)) is not None:
        return _code_label(listed, value)
    if dimension in ("sex", "ms_course"):
        from schemas.contract import contract

        return next((a.description for a in contract("patient").column(dimension).allowed if a.value == value), value)
    return value.replace("-", "–") if dimension == "age_band" else value


def _code_label(name: str, value: str) -> str:
    from schemas.codes import code_list

    return next((entry.label for entry in code_list(name).codes if entry.code == value), value)


def _in_sentence(words: str) -> str:
    """Without the capital of a sentence's first word, unless the word is an abbreviation."""
    return words[0].lower() + words[1:] if words[1:2].islower() or len(words) == 1 else words


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
        "withdrawn_tables": list(release.withdrawn_tables),
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
