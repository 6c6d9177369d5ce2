"""Charts of horizontal rows: bars, stacked levels, points with intervals. What is suppressed is drawn as such.

A chart is laid out in pixels by hand, so that labels, bars and numbers share one line at any width.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.pages.svg import LEADING, Canvas, text_width, wrapped

WIDE, NARROW = 776, 356
HATCH = "held"
_LABEL_WIDTH, _CHIP_WIDTH, _GAP, _HALF, _BETWEEN = 208, 22, 12, 8, 18
_BOLD = 1.12  # so much wider are letters of headings
_LONG = 15  # rows from which on the ticks stand above them as well


@dataclass(frozen=True)
class Segment:
    """A part of a bar, from the left; `is_suppressed` parts are hatched and have no number."""

    share: float
    css: str
    is_suppressed: bool = False


@dataclass(frozen=True)
class Mark:
    """A value with its interval, if it has one. A bar reaches from zero to the value."""

    value: float
    low: float | None = None
    high: float | None = None
    css: str = "accent"
    is_bar: bool = False


@dataclass(frozen=True)
class Row:
    """One line of a chart: a label, what is drawn, and a note at its end. A heading has neither segments nor marks.

    `held` says at the end, beside a hatched chip, what is suppressed: apart from the axis, where it would have a size.
    `interval` is that of the sum of the first or last segments, drawn below their end. Rows of one `axis` after the other
    share it and end with its ticks; without one they are on that of the chart.
    """

    label: str
    note: str = ""
    held: str = ""
    segments: tuple[Segment, ...] = ()
    marks: tuple[Mark, ...] = ()
    interval: tuple[float, float] | None = None
    is_heading: bool = False
    is_indented: bool = False
    axis: Axis | None = None

    @property
    def value_count(self) -> int:
        return len(self.marks) + sum(not segment.is_suppressed for segment in self.segments)


@dataclass(frozen=True)
class Axis:
    """Where values lie: from low to high with a line at each tick; `reference` is the value of no change."""

    low: float = 0.0
    high: float = 1.0
    ticks: tuple[float, ...] = (0, 0.25, 0.5, 0.75, 1.0)
    write: Callable[[float], str] = lambda value: f"{value * 100:.3g} %"
    reference: float | None = None


@dataclass(frozen=True)
class Name:
    """The words of a colour, written above the first row that has it, at its place."""

    css: str
    text: str


def shares_axis(largest: float) -> Axis:
    """From 0 % to the next of a few round shares."""
    end = next((limit for limit in (0.2, 0.4, 0.6, 0.8) if largest <= limit), 1.0)
    return Axis(0.0, end, tuple(end * quarter / 4 for quarter in range(5)))


def round_axis(values: Sequence[float], write: Callable[[float], str], reference: float | None = None) -> Axis:
    """An axis over all the values, and over the value of no change, with three to six round ticks."""
    around = [*values, reference if reference is not None else 0.0]
    low, high = min(around), max(around)
    span = (high - low) or abs(high) or 1.0
    raw = span / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    ticks = tuple(round(step * at, 10) for at in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, write, reference)


def stacked(parts: Sequence[tuple[float | None, str]], whole: float = 1.0) -> tuple[Segment, ...]:
    """A bar of parts in their order, each a share (None: suppressed) with its class; every shown part at its place.

    From the first suppressed part to the last all is hatched as one, since nobody knows where a part between ends. If
    the very first is suppressed, the whole bar is hatched: another part must not seem to be the first.
    """
    held = [at for at, (share, _) in enumerate(parts) if share is None]
    if 0 in held:
        return (Segment(whole, HATCH, is_suppressed=True),)
    first, end = (held[0], held[-1] + 1) if held else (len(parts), len(parts))
    before, after = (
        tuple(Segment(share, css) for share, css in some if share) for some in (parts[:first], parts[end:])
    )
    rest = whole - sum(segment.share for segment in before + after)
    between = (Segment(rest, HATCH, is_suppressed=True),) if held and rest > 1e-9 else ()
    return before + between + after


def held_width(row: Row) -> float:
    return _CHIP_WIDTH + text_width(row.held) if row.held else 0.0


def draw(
    rows: Sequence[Row],
    *,
    width: int,
    title: str,
    description: str,
    chart_id: str,
    axis: Axis | None = None,
    names: Sequence[Name] = (),
    notes_name: str = "",
) -> str:
    """The rows as SVG text with title and description, `width` pixels wide. If narrow, labels stand above bars.

    `notes_name` says above the notes what they are.
    """
    return _Rows(rows, width, axis or Axis(), names, notes_name).drawn(title, description, chart_id)


class _Rows:
    """A chart while it is drawn."""

    def __init__(self, rows: Sequence[Row], width: int, axis: Axis, names: Sequence[Name], notes_name: str) -> None:
        self.rows, self.axis, self.names, self.notes_name = rows, axis, names, notes_name
        self.is_narrow = width < WIDE
        self.notes = max((text_width(row.note) + _GAP for row in rows if row.note), default=0.0)
        self.notes = max(self.notes, text_width(notes_name))
        # A chip stands right of the notes, or in their place where the row has none.
        beyond = [(self.notes if row.note else 0) + held_width(row) + _GAP for row in rows if row.held]
        self.beyond = max([self.notes, *beyond])
        widest = max((text_width(row.label) + self.indent(row) for row in rows if not row.is_heading), default=0.0)
        self.left = 4.0 if self.is_narrow else min(_LABEL_WIDTH, max(96.0, widest + 2 * _GAP))
        # Half of the last tick's words stands right of the plot.
        self.right = 4.0 if self.is_narrow else max(24.0, self.beyond + _GAP)
        self.plot = width - self.left - self.right
        self.canvas = Canvas(width)

    @staticmethod
    def indent(row: Row) -> int:
        return 14 if row.is_indented else 0

    def at(self, value: float) -> float:
        inside = min(max(value, self.axis.low), self.axis.high)
        return self.left + (inside - self.axis.low) / (self.axis.high - self.axis.low) * self.plot

    def drawn(self, title: str, description: str, chart_id: str) -> str:
        y, chart = self._names(), self.axis
        for at, (axis, rows) in enumerate(itertools.groupby(self.rows, key=lambda row: row.axis or chart)):
            self.axis = axis
            y = self._block(list(rows), y + (_BETWEEN if at else 0))
        return self.canvas.svg(y, title=title, description=description, chart_id=chart_id)

    def _block(self, rows: Sequence[Row], y: float) -> float:
        """Rows that share an axis, from y down; where they end."""
        placed: list[tuple[Row, float]] = []
        spans: list[tuple[float, float]] = []
        before = len(self.canvas.parts)
        if sum(not row.is_heading for row in rows) >= _LONG:
            self._ticks(y + 8)
            y += 20
        top = y
        for row in rows:
            if row.is_heading:
                if placed and not self.is_narrow:
                    spans.append((top, y))
                y += 10 if placed else 0
                x = 0 if not self.is_narrow else self.left
                for line in wrapped(row.label, (self.canvas.width - x) / _BOLD):
                    self.canvas.word(x, y + 12, line, "ink bold")
                    y += LEADING
                y += 26 - LEADING
                top = y
                continue
            centre, step = self._words(row, y)
            placed.append((row, centre))
            if self.is_narrow:
                # Above narrow bars stand words, which a line through all of them would cross.
                spans.append((centre - 11, centre + 11))
            y += step
        if placed and not self.is_narrow:
            spans.append((top, y))
        words, self.canvas.parts = self.canvas.parts[before:], self.canvas.parts[:before]
        if any(row.segments or row.marks for row in rows):
            y = self._scale(spans, y)
        for row, centre in placed:
            self._shapes(row, centre)
        self.canvas.parts += words
        return y

    def _words(self, row: Row, y: float) -> tuple[float, float]:
        """Label, note and chip of a row; its centre and its height."""
        end = self.canvas.width - self.right
        if self.is_narrow:
            room = self.plot - text_width(row.note) - held_width(row) - self.indent(row) - 2 * _GAP
            lines = wrapped(row.label, room) if row.label else []
            label_y = y + 12
            step = 32.0 + LEADING * max(len(lines), 1)
            centre = y + step - 17
            edge = end - held_width(row)
            self._chip(row, edge, label_y)
            if row.note:
                self.canvas.word(edge - (_GAP if row.held else 0), label_y, row.note, "muted", "end")
        else:
            lines = wrapped(row.label, self.left - self.indent(row) - _GAP) if row.label else []
            step = max(30.0, 6 + LEADING * len(lines))
            centre = y + step / 2
            label_y = centre - LEADING * (len(lines) - 1) / 2
            if row.note:
                self.canvas.word(end + _GAP, centre, row.note, "muted")
            self._chip(row, end + _GAP + (self.notes if row.note else 0), centre)
        for at, line in enumerate(lines):
            x = (self.left if self.is_narrow else 0) + self.indent(row)
            self.canvas.word(x, label_y + at * LEADING, line)
        return centre, step

    def _chip(self, row: Row, x: float, y: float) -> None:
        """A hatched chip and what is suppressed, from x."""
        if row.held:
            self.canvas.box(x, y - 6, _CHIP_WIDTH - 6, 11, HATCH)
            self.canvas.word(x + _CHIP_WIDTH, y, row.held, "muted italic")

    def _shapes(self, row: Row, centre: float) -> None:
        start = 0.0
        for segment in row.segments:
            x, x2 = self.at(start), self.at(start + segment.share)
            # A hair's breadth between parts, so that two dark ones stay two in print.
            gap = 1 if x2 - x > 3 else 0
            self.canvas.box(x, centre - _HALF, x2 - x - gap, 2 * _HALF, segment.css)
            if not segment.is_suppressed and segment.css.startswith(("r", "apart")) and x2 - x >= 28:
                self.canvas.word(
                    (x + x2) / 2, centre, f"{segment.share * 100:.0f}", f"on small on-{segment.css}", "middle"
                )
            start += segment.share
        if row.interval is not None:
            self.canvas.interval(self.at(row.interval[0]), self.at(row.interval[1]), centre + _HALF + 3.5, cap=2.5)
        shifts = self._shifts(row)
        middle = centre
        for at, mark in enumerate(row.marks):
            x, centre = self.at(mark.value), middle + shifts[at]
            if mark.is_bar:
                zero = self.at(0.0)
                self.canvas.box(min(zero, x), centre - _HALF, abs(x - zero), 2 * _HALF, mark.css)
            if mark.low is not None and mark.high is not None:
                css = "whisker" if mark.is_bar else f"whisker {mark.css}-line"
                self.canvas.interval(self.at(mark.low), self.at(mark.high), centre, css)
            if not mark.is_bar:
                self.canvas.point(x, centre, mark.css)

    def _shifts(self, row: Row) -> tuple[float, ...]:
        """Two points of which one would cover the other, or its interval, stand a little above and below each other."""
        if len(row.marks) != 2:
            return (0.0,) * len(row.marks)
        (_, end), (start, _) = sorted(
            (
                self.at(mark.value if mark.low is None else mark.low),
                self.at(mark.value if mark.high is None else mark.high),
            )
            for mark in row.marks
        )
        return (-4.0, 4.0) if start < end + 10 else (0.0, 0.0)

    def _names(self) -> float:
        """The words of the colours, above their places in the first row that has most of them; how high they stand."""
        places = self._name_places()
        top = 0.0
        if self.notes_name:
            end = self.canvas.width - self.right
            if self.is_narrow:
                self.canvas.word(end, 10, f"At the right: {self.notes_name}", "muted small", "end")
                top = 19.0
            else:
                self.canvas.word(end + _GAP, 10, self.notes_name, "muted small")
        room = self.canvas.width if self.is_narrow or not self.notes_name else self.canvas.width - self.right
        if not places:
            return top + (23.0 if self.notes_name and not top else 4.0)
        lines: list[float] = []
        for name, wanted in places:
            needed = text_width(name.text) + 26
            start = min(max(wanted - needed / 2, self.left), self.canvas.width - needed)
            if not lines or lines[-1] + needed > room:
                lines.append(self.left)
            at = len(lines) - 1
            start = max(lines[at], min(start, room - needed))
            lines[at] = start + needed
            y = top + 10 + at * 19
            if name.css.startswith("dot-"):
                self.canvas.point(start + 5, y, name.css.removeprefix("dot-"))
            else:
                self.canvas.box(start, y - 5, 11, 11, name.css)
            self.canvas.word(start + 16, y, name.text, "ink small")
        return top + 10.0 + len(lines) * 19

    def _name_places(self) -> list[tuple[Name, float]]:
        best: dict[str, float] = {}
        for row in sorted(self.rows, key=lambda row: -row.value_count)[:1]:
            start = 0.0
            for segment in row.segments:
                best[segment.css] = (self.at(start) + self.at(start + segment.share)) / 2
                start += segment.share
            for mark in row.marks:
                best[f"dot-{mark.css}"] = self.at(mark.value)
        drawn = {segment.css for row in self.rows for segment in row.segments}
        drawn |= {f"dot-{mark.css}" for row in self.rows for mark in row.marks}
        shown = [(name, best.get(name.css, self.canvas.width)) for name in self.names if name.css in drawn]
        if HATCH in drawn:
            shown.append((Name(HATCH, "Suppressed levels, together"), self.canvas.width))
        return sorted(shown, key=lambda place: place[1])

    def _scale(self, spans: Sequence[tuple[float, float]], bottom: float) -> float:
        reference = self.axis.reference
        for tick in self.axis.ticks:
            x = self.at(tick)
            css = "zero" if tick == (0.0 if reference is None else reference) else "grid"
            for top, end in spans:
                self.canvas.line(x, top, x, end, css)
        self._ticks(bottom + 12)
        return bottom + 24

    def _ticks(self, y: float) -> None:
        """The words of the ticks, each at its place or as near as the edge lets it."""
        for tick in self.axis.ticks:
            text = self.axis.write(tick)
            half = text_width(text) / 2
            least = half if not self.is_narrow else self.left + half
            self.canvas.word(min(max(self.at(tick), least), self.canvas.width - half), y, text, "muted small", "middle")
