"""What is known of numbers that are at least 1 from sums of them: limits of each, by elimination and by linear programs.

A system has a row a sum: its unknowns, each by its place and with its sign, and what the sum is.
Nothing here knows of cells, releases or patients.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from flows.errors import HeldError

TOLERANCE = 1e-6
IMPOSSIBLE = 2
_SOLVED, _UNLIMITED = 0, 3  # like IMPOSSIBLE what SciPy calls the states of a linear program

System = tuple[tuple[tuple[tuple[int, int], ...], int], ...]


def right_of(system: System) -> Any:
    """What the sums are, as a vector."""
    import numpy as np

    return np.array([constant for _, constant in system], dtype=float)


def matrix_of(size: int, system: System) -> Any:
    """The signs of the unknowns, one row a sum, as a sparse matrix; None if there is no sum."""
    import numpy as np
    from scipy.sparse import csr_array

    entries = [(row, place, float(sign)) for row, (unknown, _) in enumerate(system) for place, sign in unknown]
    if not entries:
        return None
    rows, places, signs = (np.array(part) for part in zip(*entries, strict=True))
    return csr_array((signs, (rows, places)), shape=(len(system), size))


def without_limit(size: int, system: System) -> frozenset[int]:
    """The unknowns that can grow without end, all of them from one linear program.

    Those in which some direction d >= 0 with A d = 0 is not zero. Of d = t + s with 0 <= t <= 1 and s >= 0 the greatest sum of t
    has t = 1 exactly where a direction exists, since directions can be added and stretched.
    """
    matrix = matrix_of(size, system)
    if matrix is None:
        return frozenset(range(size))
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import hstack

    goal = np.concatenate([-np.ones(size), np.zeros(size)])
    bounds = [(0, 1)] * size + [(0, None)] * size
    found = linprog(goal, A_eq=hstack([matrix, matrix]), b_eq=np.zeros(len(system)), bounds=bounds, method="highs")
    # Not solved is no fault here: each is then looked at by itself.
    return frozenset(np.flatnonzero(found.x[:size] > 0.5).tolist()) if found.status == _SOLVED else frozenset()


def rough_limits(size: int, system: System) -> list[tuple[float, float]]:
    """Bounds of every unknown from one sum after the other, until none moves: never closer than the true ones.

    Who is known too well by these is known too well; most of those who are, are by subtraction, which needs no linear program.
    """
    low, high = [1.0] * size, [math.inf] * size
    todo = deque(range(len(system)))
    waiting = set(todo)
    sums_of: dict[int, list[int]] = defaultdict(list)
    for number, (unknown, _) in enumerate(system):
        for place, _ in unknown:
            sums_of[place].append(number)
    # Bounds that creep up on one another by one a step are left to the linear program.
    for _ in range(20 * len(system)):
        if not todo:
            break
        waiting.discard(number := todo.popleft())
        unknown, constant = system[number]
        for place, sign in unknown:
            # sign * x = constant - the others, each of which lies within its own bounds.
            others = [(other, s) for other, s in unknown if other != place]
            least = constant - sum(high[other] if s > 0 else -low[other] for other, s in others)
            most = constant - sum(low[other] if s > 0 else -high[other] for other, s in others)
            least, most = (least, most) if sign > 0 else (-most, -least)
            if least > low[place] or most < high[place]:
                low[place], high[place] = max(low[place], least), min(high[place], most)
                todo.extend(r for r in sums_of[place] if r not in waiting)
                waiting.update(sums_of[place])
    return list(zip(low, high, strict=True))


def limits(size: int, system: System, target: int) -> tuple[tuple[float, float], list[list[float]]]:
    """Least and greatest value of one unknown of a system of sums in which every unknown is at least 1, and what solves it then."""
    if len(system) == 1:
        return _limits_of_one_sum(system[0], target), []
    matrix = matrix_of(size, system)
    if matrix is None:
        return (1, math.inf), []
    right = right_of(system)
    low, at_low = optimum(matrix, right, [target], 1.0)
    high, at_high = optimum(matrix, right, [target], -1.0)
    limits = math.ceil(low - TOLERANCE), high if math.isinf(high) else math.floor(high + TOLERANCE)
    return limits, [solution for solution in (at_low, at_high) if solution is not None]


def _limits_of_one_sum(relation: tuple[tuple[tuple[int, int], ...], int], target: int) -> tuple[float, float]:
    unknown, constant = relation
    signs = dict(unknown)
    others = len(signs) - 1
    if len(set(signs.values())) == 2:
        # A hidden whole with hidden parts: both can grow without end. The constant is what is shown of the parts.
        return (others + constant if signs[target] == 1 else 1), math.inf
    return (1 if others else abs(constant)), abs(constant) - others


def optimum(matrix: Any, right: Any, targets: Sequence[int], direction: float) -> tuple[float, list[float] | None]:
    """The least (direction 1) or greatest (direction -1) sum of these, infinite where it has no limit, and all unknowns then."""
    import numpy as np

    goal = np.zeros(matrix.shape[1])
    goal[list(targets)] = direction
    found = solved(goal, A_eq=matrix, b_eq=right, bounds=(1, None))
    return (float(found.fun * direction), found.x.tolist()) if found.status == _SOLVED else (math.inf, None)


def solved(goal: Any, *, may_be_impossible: bool = False, **program: Any) -> Any:
    """The least value of a linear program; or, by its `status`, that it has no limit or, where that may be, no solution.

    Raises HeldError if it was not solved: the true counts satisfy every other one, so that this can only be a fault, and a
    release is held for it, never let pass.
    """
    # SciPy comes with Great Expectations. It is slow to import and needed only when something is to be audited.
    from scipy.optimize import linprog

    for presolve in (True, False):
        found = linprog(goal, method="highs", options={"presolve": presolve}, **program)
        if found.status in (_SOLVED, _UNLIMITED) or (may_be_impossible and found.status == IMPOSSIBLE):
            return found
    raise HeldError(
        f"release: a linear program of the suppression was not solved ({found.message}). Nothing was released."
    )
