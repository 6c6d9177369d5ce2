"""The scales of instruments on axes: which values are points of one scale, and from where to where it reaches."""

from __future__ import annotations

from flows.pages.charts import Axis
from flows.pages.lines import Line
from flows.pages.words import fixed
from schemas.instruments import scale_named


def scale_of(line: Line) -> str:
    """The scale that the values of a line are points of; "" if they are no points."""
    cell = next(iter(line.cells.values()))
    return cell.value_1 if cell.dimension_1 == "instrument_scale" else ""


def whole_axis(scale: str) -> Axis | None:
    """From the least to the greatest score there is, so that a score is seen to be low or high; None of an unknown scale."""
    try:
        found = scale_named(scale)
    except KeyError:
        return None
    low, high = float(found.minimum), float(found.maximum)
    parts = next((parts for parts in (4, 3, 2) if ((high - low) / parts).is_integer()), 1)
    ticks = tuple(low + (high - low) / parts * at for at in range(parts + 1))
    return Axis(low, high, ticks, lambda value: fixed(value, 0 if value.is_integer() else 2), low)
