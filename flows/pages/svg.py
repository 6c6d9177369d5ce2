"""Drawing in pixels: shapes and words as SVG text, without a library, since a site has hundreds of drawings.

A shape has a class and no colour: `site.css` gives both themes their colours. x and y count from the left and the top.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import escape

FONT_SIZE, LEADING = 13, 16
# Widths of letters in parts of the size, none less than in DejaVu Sans, one of the widest fonts a page may be read in.
_SLIM, _BROAD = "fijlrtI.,:;'’()|!- ", "mwMW%@&"


def text_width(text: str) -> float:
    """At most so many pixels wide is the text drawn."""
    parts = (0.42 if c in _SLIM else 0.98 if c in _BROAD else 0.78 if c.isupper() else 0.64 for c in text)
    return sum(parts) * FONT_SIZE


def wrapped(text: str, width: float) -> list[str]:
    """The text in lines that are no wider than that, broken between words, or within one that is too long itself."""
    lines = [""]
    for word in text.split():
        if text_width(joined := f"{lines[-1]} {word}".strip()) <= width:
            lines[-1] = joined
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and text_width(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class Canvas:
    """Shapes in the order in which they were drawn."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, css: str) -> None:
        self.parts.append(
            f'<rect class="{css}" x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0.5))}" height="{_n(height)}"/>'
        )

    def line(self, x: float, y: float, x2: float, y2: float, css: str) -> None:
        self.parts.append(f'<path class="{css}" d="M{_n(x)} {_n(y)}L{_n(x2)} {_n(y2)}"/>')

    def interval(self, low: float, high: float, y: float, css: str = "whisker", cap: float = 3.5) -> None:
        """A line from low to high with an end at each, on a rim of paper that sets it off from a dark bar."""
        ends = "".join(f"M{_n(x)} {_n(y - cap)}v{_n(2 * cap)}" for x in (low, high)) if cap else ""
        path = f"M{_n(low)} {_n(y)}H{_n(high)}{ends}"
        self.parts.append(f'<path class="rim" d="{path}"/><path class="{css}" d="{path}"/>')

    def point(self, x: float, y: float, css: str, radius: float = 4) -> None:
        self.parts.append(f'<circle class="{css}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"/>')

    def shape(self, points: Sequence[tuple[float, float]], css: str, *, is_closed: bool = False) -> None:
        path = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self.parts.append(f'<path class="{css}" d="M{path}{"Z" if is_closed else ""}"/>')

    def path(self, path: str, css: str) -> None:
        self.parts.append(f'<path class="{css}" d="{path}"/>')

    def word(self, x: float, y: float, text: str, css: str = "ink", anchor: str = "start") -> None:
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text class="{css}" x="{_n(x)}" y="{_n(y)}"{at}>{escape(text)}</text>')

    def svg(self, height: float, *, title: str, description: str, chart_id: str) -> str:
        """The drawing with its title and description for those who do not see it."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{chart_id}-t {chart_id}-d" '
            f'viewBox="0 0 {_n(self.width)} {_n(height)}" width="{_n(self.width)}" height="{_n(height)}">'
            f'<title id="{chart_id}-t">{escape(title)}</title><desc id="{chart_id}-d">{escape(description)}</desc>'
            f"{''.join(self.parts)}</svg>"
        )
