"""From lines of figures at several times to the lines of a chart over time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flows.pages.charts import Axis, shares_axis
from flows.pages.frame import Figures
from flows.pages.lines import Line, seconds_of
from flows.pages.scales import scale_of
from flows.pages.times import Point, TimeLine, Times, values_axis
from flows.pages.words import has_value, is_suppressed, time_words


def times_of(
    lines: Sequence[Line], values: Sequence[str], statistic: str, base: Axis | None, *, is_percent: bool
) -> Times:
    """The chart over the times of the second dimension, or of the first if there is no other.

    Without `base` it is a curve of shares over days, else a series: over days at their distances, over other times at equal ones.
    """
    is_curve = base is None
    is_first = tuple(values) == ("",)
    times = [next(iter(line.cells.values())).value_1 for line in lines] if is_first else list(values)
    labels = {line.cells[""].value_1: line.label for line in lines} if is_first else seconds_of(lines)
    places = {value: float(at) for at, value in enumerate(sorted(set(times)))}
    if is_curve or all(value.isdecimal() for value in times):
        places = {value: _number(value) for value in times}
    found = []
    for label, some in [("", list(lines))] if is_first else [(line.label, [line]) for line in lines]:
        points = [
            _point(places[cell.value_1 if is_first else cell.value_2 or ""], row)
            for line in some
            for cell in line.cells.values()
            if (row := cell.get(statistic)) is not None
        ]
        group = "" if is_first else some[0].group
        scale = "" if is_first else scale_of(some[0])
        found.append(TimeLine(label, tuple(sorted(points, key=lambda point: point.at)), group, scale))
    ticks = tuple((at, _tick(value, labels.get(value), is_curve=is_curve)) for value, at in places.items())
    axis = shares_axis(1.0) if base is None else base if is_percent else values_axis(found, base)
    return Times(tuple(found), tuple(sorted(ticks)), axis, is_curve)


def _point(at: float, row: Figures) -> Point:
    if not has_value(row):
        return Point(at, None, is_suppressed=is_suppressed(row))
    return Point(at, row["value"], row["low"], row["high"])


def _number(text: str) -> float:
    found = re.search(r"\d+(\.\d+)?", text)
    return float(found[0]) if found else 0.0


def _tick(value: str, label: str | None, *, is_curve: bool) -> str:
    if is_curve:
        return label if label and label != value else f"{_number(value):,.0f} d"
    return time_words(value, label)
