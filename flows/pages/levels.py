"""Ordered levels as parts of a bar: which shade each has, and where the interval of several together lies."""

from __future__ import annotations

from collections.abc import Sequence

from flows.pages.frame import Figures
from flows.pages.words import has_value

_LIGHT_ENDS = ("none", "never", "no", "0", "not_at_all")
_STEPS = {1: (3,), 2: (1, 3), 3: (1, 3, 4), 4: (1, 2, 3, 4), 5: (0, 1, 2, 3, 4)}
_STEPS_FROM_NONE = {3: (0, 2, 4), 4: (0, 1, 3, 4)}


def ramp_of(values: Sequence[str], apart: Sequence[str]) -> dict[str, str]:
    """The class of each level: light to dark towards more of it, from the end that says none; others apart."""
    steps = [value for value in values if value not in apart]
    if steps and steps[-1] in _LIGHT_ENDS:
        steps.reverse()
    known = _STEPS_FROM_NONE if steps and steps[0] in _LIGHT_ENDS else {}
    even = tuple(round(at * 4 / max(len(steps) - 1, 1)) for at in range(len(steps)))
    places = known.get(len(steps)) or _STEPS.get(len(steps)) or even
    ramp = {value: f"r{place}" for value, place in zip(steps, places, strict=True)}
    return {value: ramp.get(value, "apart") for value in values}


def boundary(levels: Sequence[Figures], beside: Figures | None, *, has_none: bool) -> tuple[float, float] | None:
    """Where in the bar the interval of `beside` lies, if that is the sum of the first or of the last levels; else None."""
    if beside is None or not has_value(beside) or beside["low"] is None:
        return None
    values = [row["value"] if has_value(row) else None for row in levels]
    value, low, high = beside["value"], beside["low"], beside["high"]
    for sums, place in ((_sums(values), (low, high)), (_sums(values[::-1]), (1 - high, 1 - low))):
        if any(abs(total - value) < 1e-9 for total in sums):
            return place
    # The last levels may be hidden: where all but the first begin is known all the same.
    if has_none and any(abs(1 - total - value) < 1e-9 for total in _sums(values)):
        return 1 - high, 1 - low
    return None


def _sums(values: Sequence[float | None]) -> list[float]:
    """The sums of the first, the first two, ... values, up to the first that is not known."""
    found, total = [], 0.0
    for value in values:
        if value is None:
            break
        total += value
        found.append(total)
    return found
