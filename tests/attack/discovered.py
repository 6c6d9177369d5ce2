"""What adds up in every cohort, found from the cells themselves: an attacker who needs no one to say how the tables hang together.

Each cell carries a fingerprint of its patients, the exclusive or of their hashes: cells are disjoint and make up another one just
if counts and fingerprints say so. What holds in one cohort only is chance, and no reader could know it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from published_files import Place
from table_relations import Relation, Sum, TableSpec

from flows.stages.cells import Cell

Patients = tuple[int, int]  # count and fingerprint


def place_of(cell: Cell) -> Place:
    """As `published_files.placed_by_key` places the figures of a cell."""
    return cell.table_id, cell.cell_key, f"{cell.value_1 or ''}|{cell.value_2 or ''}"


def specs_of(cohorts: Sequence[Sequence[Cell]]) -> dict[str, TableSpec]:
    """A spec for each table of the first cohort: of whom a cell is a share, and every sum that holds in all cohorts."""
    guarded = [cell for cell in cohorts[0] if cell.is_guarded]
    place = {cell.cell_key: place_of(cell) for cell in reversed(guarded)}
    whole = {place_of(cell): place.get(cell.denominator_key or "") for cell in guarded}
    sums: dict[str, list[Relation]] = defaultdict(list)
    for key, parts in sorted(sums_in_all(cohorts)):
        sums[place[key][0]].append(Sum(place[key], tuple(place[part] for part in parts)))

    def spec(table: str) -> TableSpec:
        def relations(_: list[Place]) -> Iterator[Relation]:
            return iter(sums[table])

        return TableSpec(whole.get, relations)

    return {table: spec(table) for table in dict.fromkeys(cell.table_id for cell in guarded)}


def sums_in_all(cohorts: Sequence[Sequence[Cell]]) -> set[tuple[str, tuple[str, ...]]]:
    """Wholes and their parts: two names of the same patients, two cells that are a third, all of one group of lines."""
    known = [
        {c.cell_key: (c.cell_count, c.patient_set) for c in cells if c.patient_set is not None} for cells in cohorts
    ]
    first = known[0]
    named: dict[Patients, list[str]] = defaultdict(list)
    for key, patients in first.items():
        named[patients].append(key)

    def holds(whole: str, parts: tuple[str, ...]) -> bool:
        if any(key not in each for each in known for key in (whole, *parts)):
            return False
        # Of nobody anything holds: only what was seen to be somebody's, more than once, is a law.
        is_seen = all(
            sum(each[key][0] > 0 for each in known) > 1 for key in (whole, *(parts if len(parts) < 3 else ()))
        )
        return is_seen and all(_union(each[part] for part in parts) == each[whole] for each in known)

    return {
        (whole, parts)
        for parts in (*_same(named), *_groups(cohorts[0], first), *_pairs(named))
        for whole in named.get(_union(first[part] for part in parts), ())
        if whole not in parts and holds(whole, parts)
    }


def _union(parts: Iterable[Patients]) -> Patients:
    count = mark = 0
    for part_count, part_mark in parts:
        count, mark = count + part_count, mark ^ part_mark
    return count, mark


def _same(named: dict[Patients, list[str]]) -> Iterator[tuple[str, ...]]:
    for keys in named.values():
        yield from ((key,) for key in keys)


def _groups(cells: Sequence[Cell], known: dict[str, Patients]) -> Iterator[tuple[str, ...]]:
    """All cells of a table, of a table's line or column, and those of one denominator within them."""
    groups: dict[tuple[object, ...], dict[str, None]] = defaultdict(dict)
    for cell in cells:
        if cell.cell_key in known:
            for group in (
                ("all",), ("line", cell.value_1), ("column", cell.value_2), ("of", cell.denominator_key),
                ("of", cell.denominator_key, "line", cell.value_1), ("of", cell.denominator_key, "column", cell.value_2),
            ):  # fmt: skip
                groups[(cell.table_id, *group)][cell.cell_key] = None
    return (tuple(keys) for keys in groups.values() if len(keys) > 2)


def _pairs(named: dict[Patients, list[str]]) -> Iterator[tuple[str, ...]]:
    """Two cells that are a third; under every name of the three that a reader may meet."""
    marks = [patients for patients in named if patients[0]]
    for number, (count, mark) in enumerate(marks):
        for other_count, other_mark in marks[number + 1 :]:
            if (count + other_count, mark ^ other_mark) in named:
                for one in named[count, mark]:
                    yield from ((one, other) for other in named[other_count, other_mark])
