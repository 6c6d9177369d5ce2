"""Charts over time: a line with its interval band, or a curve of steps, each named at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.pages.charts import NARROW, Axis, round_axis
from flows.pages.svg import LEADING, Canvas, text_width, wrapped
from flows.pages.words import fixed

PANEL = 236
LINES_DRAWN = 4  # more are drawn each in a panel of its own


@dataclass(frozen=True)
class Point:
    """A value at a place of the time axis; `is_suppressed` ones have none, nor has what is not estimable."""

    at: float
    value: float | None
    low: float | None = None
    high: float | None = None
    is_suppressed: bool = False


@dataclass(frozen=True)
class TimeLine:
    """A line with its name; `group` is what several lines are about together, `scale` what its values are points of."""

    label: str
    points: tuple[Point, ...]
    group: str = ""
    scale: str = ""

    @property
    def name(self) -> str:
        return f"{self.group}: {self.label}" if self.group else self.label

    @property
    def value_count(self) -> int:
        return sum(point.value is not None for point in self.points)


@dataclass(frozen=True)
class Times:
    """A chart: lines over one time axis, whose ticks are places with their words."""

    lines: tuple[TimeLine, ...]
    ticks: tuple[tuple[float, str], ...]
    axis: Axis
    is_step: bool = False

    def draw(self, *, width: int, title: str, description: str, chart_id: str) -> str:
        return _Drawing(self, width).drawn(title, description, chart_id)

    @property
    def has_scales(self) -> bool:
        """Lines are of different scales: points of one are no points of another, and have no axis in common."""
        return len({line.scale for line in self.lines}) > 1

    @property
    def is_in_panels(self) -> bool:
        return self.has_scales or len(self.lines) > LINES_DRAWN

    @property
    def panels(self) -> tuple[tuple[str, Times], ...]:
        """A small chart with its title for each group, or for each line if there are none, or several scales."""
        groups: dict[str, list[TimeLine]] = {}
        for line in self.lines:
            title = line.name if self.has_scales else line.group or line.label
            groups.setdefault(title, []).append(replace(line, group=""))
        return tuple(
            (
                title,
                replace(self, lines=tuple(lines), axis=values_axis(lines, self.axis) if self.has_scales else self.axis),
            )
            for title, lines in groups.items()
        )


def values_axis(lines: Sequence[TimeLine], base: Axis) -> Axis:
    """Shares of a curve reach from 0 to 100 %, other values over what there is."""
    found = [v for line in lines for p in line.points for v in (p.value, p.low, p.high) if v is not None]
    return round_axis(found or [0.0], base.write, base.reference)


class _Drawing:
    def __init__(self, times: Times, width: int) -> None:
        self.times = times
        self.is_panel = width <= PANEL
        is_named = len(times.lines) > 1
        names = 0.0
        if is_named:
            room = 96.0 if width <= NARROW else 190.0
            names = min(max(text_width(line.name) for line in times.lines) + 14, room)
        self.left = max(text_width(times.axis.write(tick)) for tick in times.axis.ticks) + 10
        self.right = names or 18.0
        self.top, self.height = 10.0, 84.0 if self.is_panel else 130.0 if width <= NARROW else 190.0
        self.plot = width - self.left - self.right
        self.canvas = Canvas(width)
        places = [at for at, _ in times.ticks] or [0.0, 1.0]
        self.first, self.span = min(places), (max(places) - min(places)) or 1.0

    def x(self, at: float) -> float:
        return self.left + (at - self.first) / self.span * self.plot

    def y(self, value: float) -> float:
        axis = self.times.axis
        return self.top + (axis.high - value) / (axis.high - axis.low) * self.height

    def drawn(self, title: str, description: str, chart_id: str) -> str:
        self._grid()
        for at, line in enumerate(self.times.lines):
            self._held(line)
            for run in _runs(line.points):
                self._run(run, at)
        if len(self.times.lines) > 1:
            self._names()
        elif self.times.lines:
            self._last_value(self.times.lines[0])
        return self.canvas.svg(self.top + self.height + 28, title=title, description=description, chart_id=chart_id)

    def _grid(self) -> None:
        axis = self.times.axis
        ticks = axis.ticks[:: 2 if self.is_panel and len(axis.ticks) > 4 else 1]
        base = axis.reference if axis.reference is not None else 0.0
        for tick in ticks:
            y = self.y(tick)
            self.canvas.line(self.left, y, self.left + self.plot, y, "zero" if tick == base else "grid")
            self.canvas.word(self.left - 8, y, axis.write(tick), "muted small", "end")
        last = -1e9
        ends = self.times.ticks[-1:]
        for at, text in self.times.ticks:
            half = text_width(text) / 2
            x = min(max(self.x(at), half), self.canvas.width - half)
            is_clear = not ends or (at, text) == ends[0] or x + half < self._edge(ends[0]) - 10
            if x - half > last + 10 and is_clear:
                self.canvas.word(x, self.top + self.height + 16, text, "muted small", "middle")
                last = x + half

    def _edge(self, tick: tuple[float, str]) -> float:
        half = text_width(tick[1]) / 2
        return min(self.x(tick[0]), self.canvas.width - half) - half

    def _held(self, line: TimeLine) -> None:
        """Hatching at the times at which a line is suppressed: of the whole height if it is the only one."""
        height = self.height if len(self.times.lines) == 1 else 9.0
        half = min(9.0, self.plot / max(len(self.times.ticks), 1) / 2)
        for point in line.points:
            if point.is_suppressed:
                left = max(self.x(point.at) - half, self.left)
                right = self.x(point.at) + half
                self.canvas.box(left, self.top + self.height - height, right - left, height, "held")

    def _run(self, run: Sequence[Point], at: int) -> None:
        values = [(p.at, p.value) for p in run if p.value is not None]
        lows = [(p.at, p.low) for p in run if p.low is not None]
        highs = [(p.at, p.high) for p in run if p.high is not None]
        if len(lows) == len(highs) == len(run) > 1:
            # One band after the other would hide which is whose; lines of several have whiskers.
            if len(self.times.lines) == 1:
                upper, lower = self._places(highs), self._places(lows)
                self.canvas.shape([*upper, *reversed(lower)], "band", is_closed=True)
            else:
                self._whiskers(run, at)
        elif len(run) == 1:
            self._whiskers(run, at)
        if len(values) > 1:
            self.canvas.shape(self._places(values), f"curve c{at}")
        for place, value in values:
            self.canvas.point(self.x(place), self.y(value), f"p{at}", 2.5 if self.is_panel else 3.2)

    def _whiskers(self, run: Sequence[Point], at: int) -> None:
        for point in run:
            if point.low is not None and point.high is not None:
                x = self.x(point.at)
                self.canvas.line(x, self.y(point.low), x, self.y(point.high), f"whisker c{at}")

    def _places(self, values: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []
        for at, value in values:
            if self.times.is_step and found:
                found.append((self.x(at), found[-1][1]))
            found.append((self.x(at), self.y(value)))
        return found

    def _last_value(self, line: TimeLine) -> None:
        last = next((p for p in reversed(line.points) if p.value is not None), None)
        if last is not None and last.value is not None:
            y = self.y(last.value)
            # A curve falls to its last point, so that its value stands below, where there is room.
            is_below = y < self.top + 24 or (self.times.is_step and y < self.top + self.height - 24)
            text = self._write(last.value)
            # At the first time it would stand on the words of the axis.
            anchor = "end" if self.x(last.at) - text_width(text) > self.left else "start"
            self.canvas.word(self.x(last.at), y + (16 if is_below else -13), text, "ink bold", anchor)

    def _write(self, value: float) -> str:
        """A share as the axis has it; points with a digit more than round ticks need."""
        axis = self.times.axis
        is_share = axis.write(axis.high).endswith("%")
        return axis.write(round(value, 2)) if is_share else fixed(value, 1 if axis.high - axis.low > 1 else 2)

    def _names(self) -> None:
        """Each line's name at its end, moved apart where they would meet."""
        ends = []
        for at, line in enumerate(self.times.lines):
            last = next((p.value for p in reversed(line.points) if p.value is not None), None)
            ends.append((self.y(last) if last is not None else self.top + self.height, at, line))
        y = self.top
        for wanted, at, line in sorted(ends, key=lambda end: end[0]):
            lines = wrapped(line.name, self.right - 12)
            y = max(y, wanted - LEADING * (len(lines) - 1) / 2)
            for row, text in enumerate(lines):
                self.canvas.word(self.left + self.plot + 10, y + row * LEADING, text, f"n{at}")
            y += LEADING * len(lines)


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points without gaps between: what is not known has no line through it."""
    found: list[list[Point]] = [[]]
    for point in points:
        if point.value is None:
            found.append([])
        else:
            found[-1].append(point)
    return [run for run in found if run]
