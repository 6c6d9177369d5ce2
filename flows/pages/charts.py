"""Charts as SVG text, drawn by Altair. They know shares, intervals and words; what is suppressed is drawn as such.

A chart is laid out in pixels by hand, so that labels, bars and numbers share one line at any width. Colours are the
light theme's; `report.css` exchanges them by their value for the dark one, which is why each has its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

INK, MUTED, GRID = "#1b2127", "#5a6570", "#dde2e6"
ACCENT, ACCENT_SOFT = "#0e5a8a", "#7fa9c6"
RAMP = ("#e4e8eb", "#a8c8de", "#2f7099", "#0a3a5a")
ON_RAMP = ("#39434c", "#0c2f47", "#fdfdfe", "#fcfdfe")
APART, ON_APART = "#ded7c8", "#4d4636"
HATCH = "#c6ccd1"

WIDE, NARROW = 776, 360
_LABEL_WIDTH, _NOTE_WIDTH = 196, 130
_FONT_SIZE, _LEADING, _CHIP_WIDTH, _GAP = 13, 15, 22, 12
# Widths of letters in parts of the size, none less than in DejaVu Sans, one of the widest fonts a page may be read in.
_SLIM, _BROAD = "fijlrtI.,:;'’()|!- ", "mwMW%@&"


@dataclass(frozen=True)
class Segment:
    """A part of a bar, from the left; `is_suppressed` parts are hatched and have no number."""

    share: float
    fill: str
    ink: str
    is_suppressed: bool = False


@dataclass(frozen=True)
class Mark:
    """A share with its interval, as a point on a line."""

    share: float
    low: float
    high: float
    fill: str


@dataclass(frozen=True)
class Row:
    """One line of a chart: a label, what is drawn, and a note at its end. A heading has neither segments nor marks.

    `held` says at the end, beside a hatched chip, what is suppressed: apart from the axis, where it would have a size.
    """

    label: str
    note: str = ""
    held: str = ""
    segments: tuple[Segment, ...] = ()
    marks: tuple[Mark, ...] = ()
    is_heading: bool = False
    is_indented: bool = False

    @property
    def value_count(self) -> int:
        return len(self.marks) + sum(not segment.is_suppressed for segment in self.segments)


def stacked(parts: Sequence[tuple[float | None, str, str]], whole: float = 1.0) -> tuple[Segment, ...]:
    """A bar of parts in their order, each a share (None: suppressed) with its colours; every shown part at its place.

    From the first suppressed part to the last all is hatched as one, since nobody knows where a part between ends. If
    the very first is suppressed, the whole bar is hatched: another part must not seem to be the first.
    """
    held = [at for at, (share, _, _) in enumerate(parts) if share is None]
    if 0 in held:
        return (Segment(whole, HATCH, "", is_suppressed=True),)
    first, end = (held[0], held[-1] + 1) if held else (len(parts), len(parts))
    before, after = (
        tuple(Segment(share, fill, ink) for share, fill, ink in some if share) for some in (parts[:first], parts[end:])
    )
    rest = whole - sum(segment.share for segment in before + after)
    between = (Segment(rest, HATCH, "", is_suppressed=True),) if held and rest > 1e-9 else ()
    return before + between + after


def _width(text: str) -> float:
    """At most so many pixels wide is the text drawn."""
    parts = (0.42 if c in _SLIM else 0.98 if c in _BROAD else 0.78 if c.isupper() else 0.64 for c in text)
    return sum(parts) * _FONT_SIZE


def _wrapped(text: str, width: float) -> list[str]:
    """The text in lines that are no wider than that, broken between words, or within one that is too long itself."""
    lines = [""]
    for word in text.split():
        if _width(joined := f"{lines[-1]} {word}".strip()) <= width:
            lines[-1] = joined
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and _width(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


class _Canvas:
    """Shapes and words in pixels. x counts from the left edge of the plot, y from the top."""

    def __init__(self, plot_width: float, upper: float) -> None:
        self.plot_width = plot_width
        self.upper = upper
        self.boxes: list[dict[str, Any]] = []
        self.grid: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.points: list[dict[str, Any]] = []
        self.words: dict[tuple[str, str, str], list[dict[str, Any]]] = {}

    def at(self, share: float) -> float:
        return share / self.upper * self.plot_width

    def box(self, x: float, x2: float, y: float, y2: float, fill: str) -> None:
        self.boxes.append({"x": x, "x2": x2, "y": y, "y2": y2, "fill": fill})

    def line(self, x: float, x2: float, y: float, fill: str) -> None:
        self.lines.append({"x": x, "x2": x2, "y": y, "y2": y, "fill": fill})

    def grid_line(self, x: float, y: float, y2: float) -> None:
        self.grid.append({"x": x, "x2": x, "y": y, "y2": y2, "fill": GRID})

    def point(self, x: float, y: float, fill: str) -> None:
        self.points.append({"x": x, "y": y, "fill": fill})

    def word(
        self,
        x: float,
        y: float,
        text: str,
        fill: str,
        align: str = "left",
        weight: str = "normal",
        style: str = "normal",
    ) -> None:
        self.words.setdefault((align, weight, style), []).append({"x": x, "y": y, "text": text, "fill": fill})

    def svg(self, left: float, right: float, height: float) -> str:
        import altair as alt
        import vl_convert

        def place(channel: type, name: str, size: float) -> Any:
            return channel(
                name,
                type="quantitative",
                scale=alt.Scale(domain=[0, size], range=[0, size], nice=False, zero=False),
                axis=None,
            )

        x, y = place(alt.X, "x", self.plot_width), place(alt.Y, "y", height)
        fill, stroke = alt.Fill("fill:N", scale=None), alt.Stroke("fill:N", scale=None)
        # An invisible box of the whole size, so that every chart of one width has the same scale.
        frame = alt.Chart(
            alt.Data(values=[{"x": -left, "x2": self.plot_width + right, "y": 0, "y2": height}])
        ).mark_rect(opacity=0)
        layers = [frame.encode(x=x, x2="x2", y=y, y2="y2")]
        if self.grid:
            layers.append(
                alt.Chart(alt.Data(values=self.grid)).mark_rule().encode(x=x, x2="x2", y=y, y2="y2", stroke=stroke)
            )
        if self.boxes:
            layers.append(
                alt.Chart(alt.Data(values=self.boxes)).mark_rect().encode(x=x, x2="x2", y=y, y2="y2", fill=fill)
            )
        if self.lines:
            rule = alt.Chart(alt.Data(values=self.lines)).mark_rule(strokeWidth=2.5)
            layers.append(rule.encode(x=x, x2="x2", y=y, y2="y2", stroke=stroke))
        if self.points:
            point = alt.Chart(alt.Data(values=self.points)).mark_circle(size=64, opacity=1)
            layers.append(point.encode(x=x, y=y, fill=fill))
        for (align, weight, style), words in self.words.items():
            text = alt.Chart(alt.Data(values=words)).mark_text(
                align=align,
                fontWeight=weight,
                fontStyle=style,
                baseline="middle",
                fontSize=_FONT_SIZE,  # type: ignore[arg-type]
            )
            layers.append(text.encode(x=x, y=y, text="text:N", fill=fill))
        chart = (
            alt.layer(*layers)
            .properties(width=self.plot_width, height=height, padding=0, background="transparent")
            .configure(aria=False, font="sans-serif")
            .configure_view(stroke=None, clip=False)
        )
        return str(vl_convert.vegalite_to_svg(chart.to_dict()))


def draw(rows: Sequence[Row], *, width: int, title: str, description: str, chart_id: str, upper: float = 1.0) -> str:
    """The rows as SVG text with title and description, `width` pixels wide. If narrow, labels stand above bars."""
    is_narrow = width < WIDE
    held_width = max((_held_width(row) for row in rows), default=0.0)
    notes_width = max((_width(row.note) + _GAP for row in rows if row.held and row.note), default=0.0)
    left = 2.0 if is_narrow else _LABEL_WIDTH
    right = 2.0 if is_narrow else max(_NOTE_WIDTH, 10 + notes_width + held_width)
    canvas = _Canvas(width - left - right, upper)
    y = 0.0
    centres = []
    for row in rows:
        if row.is_heading:
            y += 12 if y else 0
            canvas.word(-left + 2 if not is_narrow else 0, y + 11, row.label, INK, weight="bold")
            y += 26
            continue
        if is_narrow:
            lines = _wrapped(
                row.label, canvas.plot_width - _width(row.note) - _held_width(row) - _indent(row) - 2 * _GAP
            )
            step = 31 + _LEADING * len(lines)
            centre = y + step - 14
            _label(canvas, row, lines, 0, y + 14)
            end = canvas.plot_width - _held_width(row)
            _held(canvas, row, end, y + 14)
            canvas.word(end - (_GAP if row.held else 0), y + 14, row.note, MUTED, align="right")
        else:
            lines = _wrapped(row.label, left - _indent(row) - _GAP)
            step = max(28, 4 + _LEADING * len(lines))
            centre = y + step / 2
            _label(canvas, row, lines, 2 - left, centre - _LEADING * (len(lines) - 1) / 2)
            canvas.word(canvas.plot_width + 10, centre, row.note, MUTED)
            _held(canvas, row, canvas.plot_width + 10 + notes_width, centre)
        _shapes(canvas, row, centre)
        centres.append(centre)
        y += step
    if centres:
        # Above narrow bars stand words, which a line through all of them would cross.
        spans = [(centre - 11, centre + 11) for centre in centres] if is_narrow else [(centres[0] - 14, y + 2)]
        _axis(canvas, spans, y + 2)
        y += 24
    return _described(canvas.svg(left, right, y), title, description, chart_id)


def _indent(row: Row) -> int:
    return 14 if row.is_indented else 0


def _label(canvas: _Canvas, row: Row, lines: Sequence[str], x: float, y: float) -> None:
    for at, line in enumerate(lines):
        canvas.word(x + _indent(row), y + at * _LEADING, line, INK)


def _held_width(row: Row) -> float:
    return _CHIP_WIDTH + _width(row.held) if row.held else 0.0


def _held(canvas: _Canvas, row: Row, x: float, y: float) -> None:
    """A hatched chip and what is suppressed, from x."""
    if row.held:
        canvas.box(x, x + _CHIP_WIDTH - 6, y - 6, y + 5, HATCH)
        canvas.word(x + _CHIP_WIDTH, y, row.held, MUTED, style="italic")


def _shapes(canvas: _Canvas, row: Row, centre: float) -> None:
    half = 9
    start = 0.0
    for segment in row.segments:
        x, x2 = canvas.at(start), canvas.at(start + segment.share)
        # A hair's breadth between parts, so that two dark ones stay two in print.
        canvas.box(x, max(x, x2 - (1 if x2 - x > 3 else 0)), centre - half, centre + half, segment.fill)
        if not segment.is_suppressed and segment.ink and x2 - x >= 26:
            canvas.word((x + x2) / 2, centre + 1, f"{segment.share:.0%}".removesuffix("%"), segment.ink, align="center")
        start += segment.share
    for mark in row.marks:
        canvas.line(canvas.at(mark.low), canvas.at(mark.high), centre, mark.fill)
        canvas.point(canvas.at(mark.share), centre, mark.fill)


def _axis(canvas: _Canvas, spans: Sequence[tuple[float, float]], bottom: float) -> None:
    for quarter in range(5):
        share = canvas.upper * quarter / 4
        x = canvas.at(share)
        for top, end in spans:
            canvas.grid_line(x, top, end)
        align = "left" if quarter == 0 else "right" if quarter == 4 else "center"
        canvas.word(x, bottom + 12, f"{share * 100:.3g} %", MUTED, align=align)


def _described(svg: str, title: str, description: str, chart_id: str) -> str:
    from markupsafe import escape

    head = re.match(r"<svg[^>]*>", svg)
    if head is None:
        raise ValueError("the chart is no SVG")
    view = re.search(r'viewBox="([^"]+)"', head.group(0))
    width = re.search(r'\bwidth="([^"]+)"', head.group(0))
    opened = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{chart_id}-title {chart_id}-desc" '
        f'viewBox="{view.group(1) if view else ""}" width="{width.group(1) if width else ""}">'
    )
    words = (
        f'<title id="{chart_id}-title">{escape(title)}</title><desc id="{chart_id}-desc">{escape(description)}</desc>'
    )
    return opened + words + svg[head.end() :]
