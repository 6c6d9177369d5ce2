"""Cells: the figures of a report as the marts have them, exact, and what can be computed of which from which."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from flows.errors import PipelineError
from flows.stages.suppression import Relation, Suppression, suppress
from sql import statement, statements

# Counts of these are held back; files and codes are no people.
_GUARDED_UNITS = ("patients", "records")


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
    # So many patients it takes for what is shown of this cell to be shown: a reader knows of no fewer.
    at_least: int = 1

    @property
    def is_guarded(self) -> bool:
        return self.unit in _GUARDED_UNITS


def read_cells(con: duckdb.DuckDBPyConnection) -> list[Cell]:
    """Every cell of every table, in the order in which a reader meets them; never in an order that counts decide."""
    return [cell for path in statements("release") for cell in cells_of(con, path)]


def cells_of(con: duckdb.DuckDBPyConnection, path: str) -> list[Cell]:
    """The cells of one statement of `sql/release`, in that order."""
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
    return sorted(cells, key=lambda c: (c.table_id, first[c.table_id, c.value_1], c.value_1, c.position, c.cell_key))


def decide(cells: Sequence[Cell], minimum_cell: int, held: frozenset[str] = frozenset()) -> Suppression:
    """What must be hidden of the cells, and of the remainders that follow from them; `held` are hidden for their own sake."""
    relations = relations_of(cells)
    # Of parts that overlap n-fold at most, an excess of n - 1 may be one patient's: so many count as one.
    few = {key for key, most in relations.overlaps.items() if 0 < relations.counts[key] < 1 + most * (minimum_cell - 1)}
    few |= {relations.names[key] for key in held if relations.counts[relations.names[key]] > 0}
    decided = suppress(
        relations.counts,
        relations.relations,
        minimum_cell,
        relations.expendable,
        frozenset(few),
        relations.least,
    )
    hidden = frozenset(key for key, name in relations.names.items() if name in decided.hidden)
    return Suppression(hidden, decided.primary)


def remainder_key(cell: Cell) -> str:
    """The patients of the denominator who are not of the cell."""
    return f"{cell.denominator_key} but not {cell.cell_key}"


def excess_key(whole: str) -> str:
    """By how much the parts that cover a whole exceed it: a patient in m of them counts m - 1 times."""
    return f"{whole} counted more than once"


@dataclass(frozen=True)
class CellRelations:
    """What an attacker may compute: counts and sums.

    `names` gives each cell key the one name of its set of patients: a count that is hidden in one table and shown in
    another, under another name, is not hidden. `overlaps` says how often one patient can count in an excess,
    `least` which counts everybody knows to be so many at least.
    """

    counts: dict[str, int]
    relations: list[Relation]
    expendable: frozenset[str]
    names: dict[str, str]
    overlaps: dict[str, int]
    least: dict[str, int]


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
    worth_more = {names[cell.cell_key] for cell in guarded if not cell.is_expendable}
    return CellRelations(
        {names[key]: count for key, count in counts.items()},
        # All of a whole and none of it, under one name: nothing follows from that.
        sorted(relation for relation in relations if relation.parent not in relation.children),
        frozenset(names.values()) - worth_more,
        names,
        overlaps,
        {
            names[cell.cell_key]: cell.at_least
            for cell in sorted(guarded, key=lambda c: c.at_least)
            if cell.at_least > 1
        },
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
