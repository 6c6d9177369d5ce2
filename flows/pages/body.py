"""A figure of a body, with parts shaded by the share of patients who name them, each with its label and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.pages.charts import WIDE, Axis
from flows.pages.svg import Canvas, text_width

# The parts from above, with the outline of each in a field of 140 by 330, and from where its label is led.
_OUTLINES = {
    "face": ("M70 6C82 6 88 15 88 27C88 40 80 52 70 52C60 52 52 40 52 27C52 15 58 6 70 6Z",),
    "torso": (
        (
            "M62 55L78 55L79 61C90 63 97 65 101 68C98 84 96 100 95 114C95 132 97 148 99 164L41 164"
            "C43 148 45 132 45 114C44 100 42 84 39 68C43 65 50 63 61 61Z"
        ),
    ),
    "arms_hands": (
        "M37 69C28 72 24 80 23 92L17 134L11 172C9 182 8 196 13 201C18 205 23 201 24 192L27 176L35 136L42 100C41 90 39 80 37 69Z",
        (
            "M103 69C112 72 116 80 117 92L123 134L129 172C131 182 132 196 127 201C122 205 117 201 116 192L113 176L105 136L98 100"
            "C99 90 101 80 103 69Z"
        ),
    ),
    "legs": (
        "M41 167L69 167L68 222L65 262L63 308C63 316 61 322 54 323L42 323C38 320 42 315 48 310L47 262L43 222Z",
        "M99 167L71 167L72 222L75 262L77 308C77 316 79 322 86 323L98 323C102 320 98 315 92 310L93 262L97 222Z",
    ),
}
_LEADS = {"face": (84, 30), "torso": (95, 96), "arms_hands": (122, 156), "legs": (96, 236)}
REGIONS = tuple(_OUTLINES)
_ROWS = {"face": 34.0, "torso": 104.0, "arms_hands": 174.0, "legs": 244.0}
_STEPS = 5
HEIGHT = 352.0


@dataclass(frozen=True)
class Part:
    """A part of the body: the share that names it (None: suppressed, or not reported on) and what is said of it."""

    region: str
    label: str
    value: float | None
    note: str
    low: float | None = None
    high: float | None = None
    is_suppressed: bool = False


def shade(value: float, high: float) -> str:
    """The step of the ramp, from light to dark in equal parts of the axis."""
    return f"r{min(int(value / high * _STEPS), _STEPS - 1)}"


def draw_body(parts: Sequence[Part], *, width: int, axis: Axis, title: str, description: str, chart_id: str) -> str:
    """The body at the left; at the right each part's label, value and bar on one axis."""
    known = {part.region: part for part in parts}
    canvas = Canvas(width)
    is_wide = width >= WIDE
    for region, outlines in _OUTLINES.items():
        part = known.get(region)
        css = "outline"
        if part is not None:
            css = "held" if part.is_suppressed else shade(part.value, axis.high) if part.value is not None else css
        for outline in outlines:
            canvas.path(outline, f"{css} edge")
    left = 190.0 if is_wide else 152.0
    end = float(width - (150 if is_wide else 6))
    plot = end - left

    def at(value: float) -> float:
        return left + min(value / axis.high, 1.0) * plot

    shown = [(region, known[region]) for region in REGIONS if region in known]
    # Narrow, values stand below their bars.
    top, bottom = 44.0, _ROWS["legs"] + (30 if is_wide else 50)
    for tick in axis.ticks:
        canvas.line(at(tick), top, at(tick), bottom, "zero" if not tick else "grid")
        half = text_width(axis.write(tick)) / 2
        canvas.word(min(at(tick), canvas.width - half), bottom + 12, axis.write(tick), "muted small", "middle")
    for region, part in shown:
        y = _ROWS[region]
        x, y0 = _LEADS[region]
        canvas.shape([(x, y0), (134, y), (left - 8, y)], "leader")
        canvas.point(x, y0, "leader-end", 2.2)
        canvas.box(left - 3, y - 9, text_width(part.label) + 8, 18, "ground")
        canvas.word(left, y, part.label, "ink bold")
        note_x, note_y = (end + 12, y + 20) if is_wide else (left, y + (37 if part.value is not None else 20))
        if part.is_suppressed:
            canvas.box(note_x, note_y - 6, 16, 11, "held")
            note_x += 22
        canvas.box(note_x - 2, note_y - 8, text_width(part.note) if not is_wide else 0, 16, "ground")
        canvas.word(note_x, note_y, part.note, "muted")
        if part.value is not None:
            canvas.box(left, y + 12, at(part.value) - left, 15, shade(part.value, axis.high))
            if part.low is not None and part.high is not None:
                canvas.interval(at(part.low), at(part.high), y + 19.5)
    y = HEIGHT - 14
    for step in range(_STEPS):
        canvas.box(left + step * 16, y - 6, 15, 11, f"r{step}")
    canvas.word(left + _STEPS * 16 + 8, y, f"0 to {axis.write(axis.high)}", "muted small")
    return canvas.svg(HEIGHT, title=title, description=description, chart_id=chart_id)
