"""The attacker: everything that can be known of every count behind a release, from what its files show.

Unknowns are the counts of all cells that are named anywhere, the remainders of shares and the excesses of covers. What is
shown are constants. Each unknown is minimised and maximised: by elimination where that settles it, else by linear
programming (HiGHS), and where that leaves little, in whole numbers. Method: Fischetti & Salazar 2001, Management Science 47:1008.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from published_files import PLACES, Figure, Place, Published
from scipy.linalg import null_space
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, vstack
from table_relations import SPECS, Cover, Sum, TableSpec

K = 11
# Longer than this nobody looks for what whole numbers add to linear programming; then its answer stands.
WHOLE_NUMBER_SECONDS = 2.0
# Of more unknowns than this elimination takes longer than a linear program for each.
MOST_ELIMINATED = 2500
Z = 1.959963984540054
EPSILON = 1e-6
HALF = 0.5 * 10.0**-PLACES + 1e-12
Row = tuple[dict[str, float], float, float]  # coefficients, least, greatest


@dataclass(frozen=True)
class Leak:
    """What was learnt, of what, and how closely."""

    what: str
    low: float
    high: float
    how: str


@dataclass
class Model:
    """Unknowns with their bounds, and what is known of their sums."""

    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    # Of each remainder, whole and part.
    rests: dict[str, tuple[str, str]] = field(default_factory=dict)
    leaks: list[Leak] = field(default_factory=list)

    def unknown(self, name: str, low: float = 0, high: float = math.inf) -> str:
        old_low, old_high = self.limits.get(name, (0, math.inf))
        self.limits[name] = (max(low, old_low), min(high, old_high))
        return name

    def know(self, name: str, value: float) -> None:
        if self.known.setdefault(name, value) != value:
            self.leaks.append(Leak(name, min(value, self.known[name]), value, "two counts of the same patients"))

    def add(self, coefficients: dict[str, float], low: float, high: float) -> None:
        self.rows.append((coefficients, low, high))


def rest_of(whole: str, part: str) -> str:
    return f"{whole} but not {part}"


def excess_of(whole: str, parts: tuple[str, ...]) -> str:
    return f"{whole} more than once in {len(parts)} parts"


def model_of(published: Published, specs: dict[str, TableSpec] | None = None, before: Published | None = None) -> Model:
    """What the files of one release say, as unknowns and sums; beside those of the one `before`, if there was one."""
    specs = SPECS if specs is None else specs
    had_one = {f.key for f in before.figures if f.statistic == "count" and f.value is not None} if before else set()
    model = Model()
    guarded = [figure for figure in published.figures if figure.is_guarded and figure.table in specs]
    keys = {figure.place: figure.key for figure in guarded if figure.statistic == "count"}
    for figure in guarded:
        if figure.statistic == "count":
            _note_count(model, figure, is_carried=published.is_carried(figure), had_one=figure.key in had_one)
    for figure in guarded:
        _note_presence(model, figure)
        if published.is_carried(figure):
            continue
        whole = specs[figure.table].whole(figure.place)
        n = keys.get(whole) if whole else None
        if figure.denominator is not None and n is not None:
            model.know(n, figure.denominator)
        if figure.n is not None:
            model.know(figure.key, figure.n)
        if figure.statistic == "share" and figure.value is not None and n is not None:
            _note_share(model, figure, n)
    for table in dict.fromkeys(figure.table for figure in guarded):
        lines = [place for place in keys if place[0] == table]
        for place in lines:
            whole = specs[table].whole(place)
            if whole in keys and keys[whole] != keys[place]:
                rest = model.unknown(rest_of(keys[whole], keys[place]))
                model.rests[rest] = (keys[whole], keys[place])
                model.add({keys[whole]: 1, keys[place]: -1, rest: -1}, 0, 0)
        for relation in specs[table].relations(lines):
            _note_relation(model, relation, keys)
        if (arms := specs[table].arms) is not None:
            _note_pooled(model, guarded, table, arms, keys)
    _note_curves(model, guarded)
    return model


# Of whom there are how many at least, as the pages say of what they show only then: table, key of a line (what it is of), number.
_PRESENT = (
    ("in_use_native", r"(.+\|treatment=[^|]+)\|use=.+", 100),
    ("strategies_native", r"(.+\|strategy=[^|]+)\|use=.+", 100),
    ("strategies_native", r"(.+\|strategy=[^|]+)\|rating=.+", 300),
    ("change_flow", r"(.+\|baseline)", K),
    ("score_distribution", r"(.+\|score=[^|]+)", K),
    ("worsening_curve", r"(.+\|followed=0)", K),
)


def _note_presence(model: Model, figure: Figure) -> None:
    """That a line is there says how many there are at least."""
    for table, pattern, least in _PRESENT:
        if figure.table == table and (found := re.fullmatch(pattern, figure.key)) and found[1] in model.limits:
            model.unknown(found[1], least)


def _note_count(model: Model, figure: Figure, *, is_carried: bool, had_one: bool) -> None:
    """A count is shown, or it is suppressed: then it is not zero, since zeros are shown. A word that says why says more."""
    model.unknown(figure.key)
    if is_carried:
        # It stands as it was: so do all that were shown and may not be shown anew, whatever they are by now.
        model.unknown(figure.key, 1)
    elif figure.value is not None:
        model.know(figure.key, figure.value)
    elif had_one:
        # Others stand as they were. This one does not, so that it must be too small.
        model.unknown(figure.key, 1, K - 1)
    elif figure.state == "suppressed":
        model.unknown(figure.key, 1)
    elif "complement" in figure.state or "secondary" in figure.state:
        model.unknown(figure.key, K)
    else:
        model.unknown(figure.key, 1, K - 1)


def _note_share(model: Model, figure: Figure, n: str) -> None:
    """A share to so many places bounds the count, whether or not its denominator is known; its interval does too."""
    share = figure.value or 0.0
    model.add({figure.key: 1, n: -(share - HALF)}, 0, math.inf)
    model.add({figure.key: 1, n: -(share + HALF)}, -math.inf, 0)
    if figure.low is None or figure.high is None or not 0 < share < 1:
        return
    # The width of Wilson's interval is that of one n only: (1927), J. Am. Stat. Assoc. 22:209-212.
    center, spread = (figure.low + figure.high) / 2, (figure.high - figure.low) / 2
    sizes = np.arange(1, 20_001, dtype=float)
    scale = 1 + Z * Z / sizes
    centers = (share + Z * Z / (2 * sizes)) / scale
    spreads = Z * np.sqrt(share * (1 - share) / sizes + Z * Z / (4 * sizes * sizes)) / scale
    fits = sizes[(abs(centers - center) < 3e-6) & (abs(spreads - spread) < 3e-6)]
    if len(fits):
        model.unknown(n, fits[0], fits[-1])


def _note_relation(model: Model, relation: Sum | Cover, keys: dict[Place, str]) -> None:
    if relation.whole not in keys or not all(part in keys for part in relation.parts) or not relation.parts:
        return
    whole, parts = keys[relation.whole], tuple(keys[part] for part in relation.parts)
    # The same patients under one name in two lines are counted once on each side.
    coefficients: dict[str, float] = defaultdict(float)
    coefficients[whole] += 1
    for part in parts:
        coefficients[part] -= 1
    if isinstance(relation, Cover):
        excess = model.unknown(excess_of(whole, parts))
        coefficients[excess] += 1
        if len(parts) == 1:
            model.unknown(excess, 0, 0)
    model.add(dict(coefficients), 0, 0)


def _note_pooled(
    model: Model, figures: list[Figure], table: str, arms: tuple[str, str], keys: dict[Place, str]
) -> None:
    """A share of all arms together gives away one that is hidden; a shrunken one follows from the same numbers for every arm."""
    mine = [figure for figure in figures if figure.table == table and figure.value is not None]
    lines = [
        (keys[table, first, arms[0]], keys[table, first, arms[1]])
        for _, first, second in keys
        if second == arms[0] and (table, first, arms[1]) in keys and _ == table
    ]
    for figure in mine:
        if figure.statistic == "pooled_share" and lines:
            share = figure.value or 0.0
            for side, low, high in ((share - HALF, 0.0, math.inf), (share + HALF, -math.inf, 0.0)):
                coefficients: dict[str, float] = defaultdict(float)
                for x, n in lines:
                    coefficients[x] += 1
                    coefficients[n] -= side
                model.add(dict(coefficients), low, high)
    shrunk = {figure.key: figure.value for figure in mine if figure.statistic == "shrunk_share"}
    sizes = dict(lines)
    told = [
        (model.known[x], model.known[sizes[x]], s)
        for x, s in shrunk.items()
        if x in model.known and sizes.get(x) in model.known
    ]
    if len(told) < 2:
        return
    # s (a + b + n) = a + x is linear in a and b.
    matrix = np.array([[1 - s, -s] for _, _, s in told])
    (a, b), *_ = np.linalg.lstsq(matrix, np.array([s * n - x for x, n, s in told]), rcond=None)
    slack = 1e-3 * (a + b + 100)
    for x, s in shrunk.items():
        if x in sizes:
            model.add({x: 1, sizes[x]: -s}, s * (a + b) - a - slack, s * (a + b) - a + slack)


def _note_curves(model: Model, figures: list[Figure]) -> None:
    """Between two points of a survival curve the number of events follows from the fall and from how many were at risk."""
    curves: dict[tuple[str, str], list[tuple[int, float, float]]] = defaultdict(list)
    for figure in figures:
        if (
            figure.statistic == "survival"
            and figure.value is not None
            and figure.n is not None
            and figure.second.isdigit()
        ):
            curves[figure.table, figure.first].append((int(figure.second), figure.value, figure.n))
    for (table, first), points in curves.items():
        for (start, before, at_start), (end, after, at_end) in zip(sorted(points), sorted(points)[1:], strict=False):
            if not 0 < after < before:
                continue
            fall = after / before
            # One minus the fall is at most the sum of events over those at risk, and at least that over all who were.
            low = math.ceil(at_end * (1 - fall) - at_start * 4 * HALF)
            high = math.floor(-at_start * math.log(fall) + at_start * 4 * HALF)
            if 1 <= low and high < K:
                model.leaks.append(Leak(f"events of {table} {first}, day {start} to {end}", low, high, "a curve"))


class Solver:
    """Least and greatest value of each unknown of a model, component by component."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.is_relaxed = False
        self._part_of: dict[str, int] = {}
        self._parts: list[tuple[list[str], list[Row]]] = []
        self._systems: dict[int, System] = {}
        self._ranges: dict[str, tuple[float, float]] = {}
        self._eliminate()

    def _eliminate(self) -> None:
        rows: list[Row] = []
        for coefficients, low, high in self.model.rows:
            given = sum(c * self.model.known[name] for name, c in coefficients.items() if name in self.model.known)
            open_ = {name: c for name, c in coefficients.items() if name not in self.model.known and c}
            if open_:
                rows.append((open_, low - given, high - given))
        neighbours: dict[str, list[int]] = defaultdict(list)
        for number, (coefficients, _, _) in enumerate(rows):
            for name in coefficients:
                neighbours[name].append(number)
        for first in self.model.limits:
            if first in self._part_of or first in self.model.known:
                continue
            names, used, todo = [], set(), [first]
            self._part_of[first] = len(self._parts)
            while todo:
                name = todo.pop()
                names.append(name)
                for number in neighbours[name]:
                    used.add(number)
                    for other in rows[number][0]:
                        if other not in self._part_of:
                            self._part_of[other] = len(self._parts)
                            todo.append(other)
            self._parts.append((sorted(names), [rows[number] for number in sorted(used)]))

    def range(self, name: str) -> tuple[float, float]:
        """The least and the greatest it can be. Found once."""
        if name in self.model.known:
            return self.model.known[name], self.model.known[name]
        if name not in self._ranges:
            self._ranges[name] = self._solve(name)
        return self._ranges[name]

    def met(self, name: str) -> tuple[float, float]:
        """The least and the greatest whole number between the values that solutions for other unknowns gave it: within its range."""
        if (number := self._part_of.get(name)) is None or number not in self._systems:
            return math.inf, -math.inf
        system = self._systems[number]
        least, greatest = (float(values[system.column[name]]) for values in (system.least, system.greatest))
        return (math.ceil(least - EPSILON), math.floor(greatest + EPSILON)) if least <= greatest else (least, greatest)

    def _solve(self, name: str) -> tuple[float, float]:
        number = self._part_of[name]
        names, rows = self._parts[number]
        if not rows:
            return self.model.limits[name]
        if number not in self._systems:
            self._systems[number] = System.of(names, rows, self.model.limits)
        system = self._systems[number]
        target = system.column[name]
        if (exact := system.settled.get(target)) is not None:
            return exact, exact
        found = system.range(target, system.limits)
        if found is None:
            # Not even the truth fits what an attacker assumes: a zero was hidden. Whoever sees that knows it.
            self.is_relaxed = True
            found = system.range(target, [(0, top) for _, top in system.limits])
        if found is None:
            raise AssertionError(f"nothing fits what the files say of {name}")
        if found[1] - found[0] < 2 * K:
            found = system.range_in_whole_numbers(target) or found
        return found


@dataclass
class System:
    """One component: matrix times unknowns lies between `low` and `high`. `settled` are the unknowns that the equations alone give."""

    column: dict[str, int]
    matrix: csr_array
    low: np.ndarray
    high: np.ndarray
    limits: list[tuple[float, float]]
    settled: dict[int, float]
    # What solutions within the limits have given each unknown, at least and at most.
    least: np.ndarray
    greatest: np.ndarray

    @classmethod
    def of(cls, names: list[str], rows: list[Row], limits: dict[str, tuple[float, float]]) -> System:
        column = {name: place for place, name in enumerate(names)}
        entries = [
            (n, column[name], c) for n, (coefficients, _, _) in enumerate(rows) for name, c in coefficients.items()
        ]
        at, of, values = (np.array(part) for part in zip(*entries, strict=True))
        matrix = csr_array((values, (at, of)), shape=(len(rows), len(names)))
        low, high = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
        equal = np.isclose(low, high)
        settled: dict[int, float] = {}
        if equal.any() and len(names) <= MOST_ELIMINATED:
            # An unknown whose line in the null space of the equations is zero has one value only.
            equations = matrix[equal].toarray()
            free = null_space(equations)
            solution, *_ = np.linalg.lstsq(equations, low[equal], rcond=None)
            fixed = np.abs(free).max(axis=1) < 1e-9 if free.size else np.ones(len(names), dtype=bool)
            settled = {int(place): float(round(solution[place])) for place in np.flatnonzero(fixed)}
        nothing = np.full(len(names), math.inf)
        return cls(column, matrix, low, high, [limits[name] for name in names], settled, nothing, -nothing)

    @cached_property
    def _constraints(self) -> dict[str, object]:
        """The rows as `linprog` wants them: equations apart from inequalities, each of these with an upper end."""
        equal = np.isclose(self.low, self.high)
        upper, lower = ~equal & np.isfinite(self.high), ~equal & np.isfinite(self.low)
        sides = vstack([self.matrix[upper], -self.matrix[lower]])
        ends = np.concatenate([self.high[upper], -self.low[lower]])
        inequalities = {"A_ub": sides, "b_ub": ends} if sides.shape[0] else {}
        return inequalities | ({"A_eq": self.matrix[equal], "b_eq": self.low[equal]} if equal.any() else {})

    def range(self, target: int, limits: list[tuple[float, float]]) -> tuple[float, float] | None:
        """Least and greatest by linear programming; None if nothing fits."""
        found = []
        for sign in (1.0, -1.0):
            goal = np.zeros(self.matrix.shape[1])
            goal[target] = sign
            done = linprog(goal, **self._constraints, bounds=limits, method="highs")
            if done.status == 2:
                return None
            if done.status not in (0, 3):
                raise AssertionError(done.message)
            found.append(math.inf if done.status == 3 else sign * done.fun)
            if done.status == 0 and limits is self.limits:
                self.least = np.minimum(self.least, done.x)
                self.greatest = np.maximum(self.greatest, done.x)
        return math.ceil(found[0] - EPSILON), found[1] if math.isinf(found[1]) else math.floor(found[1] + EPSILON)

    def range_in_whole_numbers(self, target: int) -> tuple[float, float] | None:
        """Least and greatest whole number; None if the solver does not say."""
        found = []
        for sign in (1.0, -1.0):
            goal = np.zeros(self.matrix.shape[1])
            goal[target] = sign
            done = milp(
                goal,
                constraints=LinearConstraint(self.matrix, self.low, self.high),
                integrality=np.ones(self.matrix.shape[1]),
                bounds=Bounds([a for a, _ in self.limits], [b for _, b in self.limits]),
                options={"time_limit": WHOLE_NUMBER_SECONDS},
            )
            if done.status != 0:
                return None
            found.append(round(sign * done.fun))
        return found[0], found[1]


@dataclass
class Attack:
    """What came of an attack on one release or on two. `looked_at` counts the small counts that it tried to learn."""

    leaks: list[Leak]
    looked_at: int
    unsound: list[str]


def attack(solver: Solver, truth: dict[str, int], faults: Iterable[str] = ()) -> Attack:
    """Try to learn every count of 1 to 10. `truth` says which these are, and whether what the attacker found is true."""
    model = solver.model
    leaks = [Leak("the files", 0, 0, fault) for fault in faults] + model.leaks
    truth = _with_rests(model, truth)
    small = [name for name in model.limits if 0 < truth.get(name, 0) < K]
    unsound = []
    for name in small:
        low, high = solver.met(name)
        # A solver need not be asked for the ends of a range that is known to be wide enough.
        if high - low < 2 * K or not low <= truth[name] <= high:
            low, high = solver.range(name)
        if high - low < K:
            leaks.append(Leak(name, low, high, f"it is {truth[name]}"))
        if not low <= truth[name] <= high:
            unsound.append(f"{name}: {truth[name]} is not within {low} to {high}")
    if solver.is_relaxed:
        leaks.append(Leak("a zero", 0, 0, "it is hidden among others"))
    return Attack(leaks, len(small), unsound)


def attack_two(first: Solver, second: Solver, moved: Callable[[str, str | None], int]) -> list[Leak]:
    """Try to learn of a change that is that of 1 to 10 patients, by as many as a count differs between two releases.

    `moved` says how many at least joined or left the patients of a cell, or those of a whole but not of a part: as many as
    leave may join, and what differs by 8 may be 40 patients.
    """
    leaks = []
    for name in sorted(first.model.limits.keys() & second.model.limits.keys()):
        if not 0 < moved(*first.model.rests.get(name, (name, None))) < K:
            continue
        low_1, high_1 = first.met(name)
        if high_1 - low_1 >= K:
            continue
        low_1, high_1 = first.range(name)
        if high_1 - low_1 >= K:
            continue
        low_2, high_2 = second.range(name)
        low, high = low_2 - high_1, high_2 - low_1
        if 0 < low <= high < K or -K < low <= high < 0:
            leaks.append(Leak(name, low, high, "the difference of two releases"))
    return leaks


def attack_files(
    published: Published,
    truth: dict[str, int],
    specs: dict[str, TableSpec] | None = None,
    before: Published | None = None,
) -> Attack:
    """The attack on one release, from its files and those of the one before."""
    return attack(Solver(model_of(published, specs, before)), truth, published.faults)


def _with_rests(model: Model, truth: dict[str, int]) -> dict[str, int]:
    """The true values of remainders and excesses too, which follow from those of the cells."""
    found = dict(truth)
    for coefficients, low, high in model.rows:
        if low == high == 0:
            new = [name for name in coefficients if name not in truth]
            if len(new) == 1 and all(name in truth for name in coefficients if name != new[0]):
                rest = sum(c * truth[name] for name, c in coefficients.items() if name != new[0])
                found[new[0]] = round(-rest / coefficients[new[0]])
    return found
