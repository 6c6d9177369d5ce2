"""Suppression: which cells of a release must be hidden so that no count of 1 to k - 1 patients can be read or computed.

Primary cells are hidden because of their count, others because a hidden one could be computed from them. Then every
primary cell is attacked: what is the least and the greatest it can be, given all that is shown? The attacker knows
every declared relation, that no count is negative, that a hidden count is not zero, since zeros are shown, and how many at
least must be counted for some tables to be there at all. Beside a cell that does not withstand, those are hidden which
protect it at the least cost to a reader.
Method: complementary suppression, one linear program a cell to protect (Kelly, Golden & Assad 1992, Networks 22:397), audited by
linear programs of its own (Fischetti & Salazar 2001, Management Science 47:1008).
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from flows.errors import HeldError, PipelineError
from flows.stages import sums

# Of what is shown nowhere a hundred are hidden before one figure is.
_EXPENDABLE = 0.01
# What protects a cell is looked for among so many near it first; a hidden one on the way counts as so much of the cost.
_NEAR, _STEP = 200, 0.3


@dataclass(frozen=True, order=True)
class Relation:
    """The parent's count is the sum of the children's: a total and its parts, or a whole, a share and the rest."""

    parent: str
    children: tuple[str, ...]


@dataclass(frozen=True)
class Suppression:
    """What is hidden. It stays inside: which cell is hidden for its own sake says more than that it is hidden."""

    hidden: frozenset[str]
    primary: frozenset[str]


def suppress(
    counts: Mapping[str, int],
    relations: Iterable[Relation],
    minimum: int,
    expendable: frozenset[str] = frozenset(),
    few: frozenset[str] = frozenset(),
    least: Mapping[str, int] | None = None,
) -> Suppression:
    """Decide which cells to hide. The answer depends on counts, keys and relations, never on their order.

    `expendable` cells are shown nowhere, or worth less to a reader than others: they are hidden before those.
    `few` are cells of `minimum` or more which are hidden for their own sake all the same. `least` says of cells that everybody knows
    them to be at least so many.

    Raises PipelineError if a relation or a `least` does not hold at the given counts, HeldError if the attack cannot be solved.
    """
    network = _Network(counts, relations, minimum, expendable, least or {})
    hidden = {c for c, key in enumerate(network.keys) if 0 < network.counts[c] < minimum or key in few}
    primary = frozenset(hidden)
    network.close(hidden, range(len(network.relations)))
    while failing := network.exposed(hidden, primary):
        more = network.protect(failing, hidden)
        if not more:
            raise HeldError("the release cannot be made safe by hiding cells: nothing was released")
        hidden |= more
    return Suppression(
        frozenset(network.keys[cell] for cell in hidden), frozenset(network.keys[cell] for cell in primary)
    )


class _Network:
    """Cells and relations by number, in the order of their keys."""

    def __init__(
        self,
        counts: Mapping[str, int],
        relations: Iterable[Relation],
        minimum: int,
        expendable: frozenset[str],
        least: Mapping[str, int],
    ) -> None:
        self.keys = sorted(counts)
        self.counts = [counts[key] for key in self.keys]
        self.minimum = minimum
        # By how much a hidden count is known to exceed 1.
        self.known_more = [max(1, least.get(key, 1)) - 1 for key in self.keys]
        if any(more and more >= count for more, count in zip(self.known_more, self.counts, strict=True)):
            raise PipelineError(
                "release: a cell has fewer patients than its tables need. This is a fault of the program."
            )
        number = {key: i for i, key in enumerate(self.keys)}
        self.expendable = {number[key] for key in expendable if key in number}
        self.relations: list[tuple[int, tuple[int, ...]]] = []
        self.relations_of: dict[int, list[int]] = defaultdict(list)
        self._limits: dict[tuple[object, ...], tuple[float, float]] = {}
        self._unlimited: dict[object, frozenset[int]] = {}
        self._known: dict[object, list[tuple[float, float]]] = {}
        for relation in sorted({Relation(r.parent, tuple(sorted(r.children))) for r in relations}):
            parent, children = number[relation.parent], tuple(number[child] for child in relation.children)
            # The attack below is only as good as its relations: one that is false would make every cell seem safe.
            if self.counts[parent] != sum(self.counts[child] for child in children):
                raise PipelineError(
                    f"release: the parts of '{relation.parent}' do not add up. This is a fault of the program."
                )
            for cell in (parent, *children):
                self.relations_of[cell].append(len(self.relations))
            self.relations.append((parent, children))

    def close(self, hidden: set[int], start: Iterable[int]) -> None:
        """Hide more until no relation gives a hidden cell away by subtraction."""
        todo = deque(start)
        while todo:
            parent, children = self.relations[todo.popleft()]
            concealed = [child for child in children if child in hidden]
            total = sum(self.counts[child] for child in concealed)
            if not self._gives_away(len(concealed), total, parent in hidden):
                continue
            chosen = self._partner(parent, children, hidden, concealed, total)
            if chosen is None:
                continue
            hidden.add(chosen)
            todo.extend(self.relations_of[chosen])

    def _partner(
        self, parent: int, children: tuple[int, ...], hidden: set[int], concealed: list[int], total: int
    ) -> int | None:
        """What to hide beside the hidden members of a relation; None if nothing is left. Never a zero."""
        candidates = [child for child in children if child not in hidden and self.counts[child] > 0]
        whole = [parent] if parent not in hidden else []
        if free := [cell for cell in (*candidates, *whole) if cell in self.expendable]:
            return min(free, key=lambda c: (self.counts[c], c))
        enough = [
            child
            for child in candidates
            if not self._gives_away(len(concealed) + 1, total + self.counts[child], parent in hidden)
        ]
        # The smallest that suffices costs the reader least; if none does, the largest helps most.
        if enough:
            return min(enough, key=lambda c: (self.counts[c], c))
        return max(candidates, key=lambda c: (self.counts[c], -c), default=whole[0] if whole else None)

    def _gives_away(self, concealed: int, total: int, is_parent_hidden: bool) -> bool:
        """Whether the hidden members of one relation are known, or known too well, from its shown ones."""
        if concealed + is_parent_hidden == 0:
            return False
        if is_parent_hidden:
            return concealed == 0
        # Hidden counts are at least 1, so each lies within 1 .. total - (concealed - 1).
        return concealed < 2 or total - concealed < self.minimum

    def exposed(self, hidden: set[int], primary: frozenset[int]) -> list[int]:
        """The primary cells whose count can be told to within fewer than `minimum` + 1 values."""
        return [c for component in self._components(hidden) for c in self._exposed(component, hidden, primary)]

    def _exposed(self, component: list[int], hidden: set[int], primary: frozenset[int]) -> list[int]:
        ranges = self._ranges(component, hidden, primary)
        return [cell for cell, (low, high) in ranges.items() if high - low < self.minimum]

    def _components(self, hidden: set[int]) -> list[list[int]]:
        """Hidden cells, grouped by what links them: nothing is learnt of one group from another."""
        seen: set[int] = set()
        found = []
        for first in sorted(hidden):
            if first not in seen:
                found.append(self._component(first, hidden))
                seen.update(found[-1])
        return found

    def _component(self, first: int, hidden: set[int]) -> list[int]:
        group, todo = {first}, [first]
        while todo:
            for r in self.relations_of[todo.pop()]:
                parent, children = self.relations[r]
                for other in (parent, *children):
                    if other in hidden and other not in group:
                        group.add(other)
                        todo.append(other)
        return sorted(group)

    def _ranges(
        self, component: list[int], hidden: set[int], primary: frozenset[int]
    ) -> dict[int, tuple[float, float]]:
        """Least and greatest possible count of every primary cell of a component, or two counts that far apart; less what is known.

        What solves the system for one cell says counts of all others too: a cell of which two are known to be `minimum` or more
        apart needs no look of its own.
        """
        targets = [cell for cell in component if cell in primary]
        if not targets:
            return {}
        column = {cell: i for i, cell in enumerate(component)}
        system = self._system(component, hidden)
        if system not in self._unlimited:
            self._unlimited[system] = sums.without_limit(len(component), system) if len(targets) > 1 else frozenset()
        known = self._known.setdefault(system, self._true(component))
        found = {cell: (1.0, math.inf) for cell in targets if column[cell] in self._unlimited[system]}
        outer = sums.rough_limits(len(component), system) if len(found) < len(targets) else []
        found |= {
            cell: outer[column[cell]]
            for cell in targets
            if cell not in found and not self._is_wide(outer[column[cell]])
        }
        self._stretch(known, [column[cell] for cell in targets if cell not in found], system)
        for cell in targets:
            if cell in found:
                continue
            key = (size := len(component), system, column[cell])
            if key not in self._limits and self._is_wide(known[column[cell]]):
                found[cell] = known[column[cell]]
                continue
            if key not in self._limits:
                self._limits[key], solutions = sums.limits(size, system, column[cell])
                _widen(known, solutions)
            found[cell] = self._limits[key]
        return found

    def _system(self, component: Sequence[int], hidden: set[int]) -> sums.System:
        """What is known of the hidden cells of a component, each by its place in it: sums with signs, and what they are."""
        column = {cell: i for i, cell in enumerate(component)}
        rows: set[tuple[tuple[tuple[int, int], ...], int]] = set()
        for r in {r for cell in component for r in self.relations_of[cell]}:
            signed = self._signed(r)
            unknown = tuple(sorted((column[cell], sign) for cell, sign in signed if cell in hidden))
            # What is known of a hidden count counts as shown: the unknown is what it exceeds that by, and at least 1 like any other.
            given = (sign * (self.known_more if cell in hidden else self.counts)[cell] for cell, sign in signed)
            rows.add((unknown, -sum(given)))
        return tuple(sorted(rows))

    def _signed(self, relation: int) -> list[tuple[int, int]]:
        """The cells of a relation, with signs by which they add up to zero."""
        parent, children = self.relations[relation]
        return [(parent, 1), *((child, -1) for child in children)]

    def _true(self, component: Sequence[int]) -> list[tuple[float, float]]:
        """The first solution that is known of a system: the true counts, less what is known of them."""
        return [(float(self.counts[cell] - self.known_more[cell]),) * 2 for cell in component]

    def _stretch(self, known: list[tuple[float, float]], limited: list[int], system: sums.System) -> None:
        """Widen what is known of the limited unknowns by the least and the greatest sum of all that are still too close.

        Two linear programs say of most of a component that they may be `minimum` apart; one by one they would take two each.
        """
        matrix = sums.matrix_of(len(known), system) if len(limited) > 2 and len(system) > 1 else None
        while matrix is not None:
            close = [place for place in limited if not self._is_wide(known[place])]
            if len(close) < 3:
                return
            for direction in (1.0, -1.0):
                _, solution = sums.optimum(matrix, sums.right_of(system), close, direction)
                _widen(known, [solution] if solution is not None else [])
            if sum(self._is_wide(known[place]) for place in close) * 4 < len(close):
                return

    def _is_wide(self, seen: tuple[float, float]) -> bool:
        low, high = seen
        return math.isinf(high) or math.floor(high + sums.TOLERANCE) - math.ceil(low - sums.TOLERANCE) >= self.minimum

    def protect(self, failing: Iterable[int], hidden: set[int]) -> set[int]:
        """What to hide so that these can be told to within `minimum` + 1 values no more; the larger first, since they need most room."""
        more: set[int] = set()
        left = sorted(failing, key=lambda c: (-self.counts[c], c))
        while left:
            cell, *left = left
            if new := self._cheapest(cell, hidden | more):
                more |= new
                safe = self._roomy(new, set(left), hidden | more)
                left = [other for other in left if other not in safe]
        return more

    def _roomy(self, new: set[int], cells: set[int], hidden: set[int]) -> set[int]:
        """Those of some hidden cells linked to new ones of which a few linear programs for all of them show that they have room."""
        found: set[int] = set()
        seen: set[int] = set()
        for first in sorted(new):
            if first in seen:
                continue
            component = self._component(first, hidden)
            seen.update(component)
            places = [place for place, cell in enumerate(component) if cell in cells]
            if not places:
                continue
            system = self._system(component, hidden)
            unlimited = sums.without_limit(len(component), system)
            known = self._true(component)
            self._stretch(known, [place for place in places if place not in unlimited], system)
            found.update(component[place] for place in places if place in unlimited or self._is_wide(known[place]))
        return found

    def _cheapest(self, cell: int, hidden: set[int]) -> set[int]:
        """The shown cells to hide so that one hidden count has room: those that differ between two tables, both of which add up.

        The tables are as like the true one as can be while this count is so much more in one than in the other. There always
        are two: all counts times a number make a table, so that hiding everything protects everything. What is far from the cell
        stays as it is if that can be.
        """
        most = _NEAR
        while True:
            near = self._near(cell, hidden, most)
            moved = self._moved(near, hidden, is_all=len(near) < most)
            if moved is not None:
                return moved - hidden
            most *= 4

    def _near(self, cell: int, hidden: set[int], most: int) -> list[int]:
        """A cell and those linked to it that are not zero, at most so many: those that are reached at the least cost."""
        reached: dict[int, None] = {}
        waiting = [(0.0, cell)]
        while waiting and len(reached) < most:
            far, here = heapq.heappop(waiting)
            if here in reached:
                continue
            reached[here] = None
            for other in self._neighbours[here]:
                if other not in reached:
                    heapq.heappush(waiting, (far + (_STEP if other in hidden else self._cost(other)), other))
        return list(reached)

    def _moved(self, cells: Sequence[int], hidden: set[int], *, is_all: bool) -> set[int] | None:
        """Which of these cells differ between two tables in which the first one has room; None if it has none unless others move."""
        import numpy as np
        from scipy.sparse import block_diag, csr_array, hstack

        size = len(cells)
        place = {c: i for i, c in enumerate(cells)}
        touched = sorted({r for c in cells for r in self.relations_of[c]})
        signed = map(self._signed, touched)
        signs = sums.matrix_of(
            size, tuple((tuple((place[c], sign) for c, sign in row if c in place), 0) for row in signed)
        )
        if signs is None:
            return set()
        costs = np.array([0.0 if c in hidden else self._cost(c) for c in cells])
        # Of each table by how much a count is more than the true one, and by how much less. None is less than it is known to be.
        less = np.array([self.counts[c] - 1 - self.known_more[c] for c in cells], dtype=float)
        apart = np.zeros((1, 4 * size))
        apart[0, ::size] = -1, 1, 1, -1
        # Ends that are no whole numbers can be `minimum` apart with too few whole numbers between: one more suffices then.
        for room in (self.minimum, self.minimum + 1):
            found = sums.solved(
                np.tile(costs, 4),
                A_eq=block_diag([hstack([signs, -signs])] * 2, format="csr"),
                b_eq=np.zeros(2 * len(touched)),
                A_ub=csr_array(apart),
                b_ub=[-room],
                bounds=np.column_stack([np.zeros(4 * size), np.concatenate([np.full(size, np.inf), less] * 2)]),
                may_be_impossible=not is_all,
            )
            if found.status == sums.IMPOSSIBLE:
                return None
            more, fewer, other_more, other_fewer = found.x.reshape(4, size)
            low, high = sorted(self.counts[cells[0]] + np.array([more - fewer, other_more - other_fewer])[:, 0])
            if self._is_wide((low, high)):
                break
        return {
            cells[i] for i in np.flatnonzero(np.abs(found.x.reshape(4, size)).max(axis=0) > sums.TOLERANCE).tolist()
        }

    @cached_property
    def _neighbours(self) -> list[list[int]]:
        """Of every cell the cells that share a relation with it and are not zero."""
        found: list[set[int]] = [set() for _ in self.keys]
        for parent, children in self.relations:
            members = [c for c in (parent, *children) if self.counts[c] > 0]
            for c in members:
                found[c].update(members)
        return [sorted(cells - {c}) for c, cells in enumerate(found)]

    def _cost(self, cell: int) -> float:
        """What a reader loses by one more hidden cell: least by one that is shown nowhere, more by a total than by a small part."""
        worth = math.log1p(self.counts[cell]) * (_EXPENDABLE if cell in self.expendable else 1.0)
        # No two ways cost the same, so that which one is taken follows from the counts and not from how the program is solved.
        return worth * (1 + 1e-4 * (cell * 0.6180339887 % 1))


def _widen(known: list[tuple[float, float]], solutions: Iterable[Sequence[float]]) -> None:
    """Take into the ranges what the unknowns are in further solutions."""
    for solution in solutions:
        known[:] = [(min(low, v), max(high, v)) for (low, high), v in zip(known, solution, strict=True)]
