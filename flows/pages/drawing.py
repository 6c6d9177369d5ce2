"""Which values of a table are drawn, and how: rows of bars, levels or points, lines over time, parts of a body."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from flows.pages import charts
from flows.pages.body import REGIONS, Part, draw_body
from flows.pages.charts import Axis, Mark, Name, Row, stacked
from flows.pages.frame import Figures
from flows.pages.levels import boundary, ramp_of
from flows.pages.lines import Line, seconds_of, spread
from flows.pages.scales import scale_of, whole_axis
from flows.pages.timelines import times_of
from flows.pages.times import Times
from flows.pages.words import (
    capital,
    chart_note,
    decimals_for,
    fixed,
    has_value,
    in_sentence,
    is_share,
    is_suppressed,
    n_is,
    n_of,
)
from schemas.topics import TopicTable

_HELD = ("", "one suppressed", "both suppressed")


@dataclass
class Drawn:
    """The lines of a chart, ready to be drawn. `values` are those of the second dimension that are."""

    spec: TopicTable
    lines: list[Line]
    values: tuple[str, ...]
    statistic: str
    rows: list[Row] = field(default_factory=list)
    undrawable: tuple[int, int] | None = None
    empty: list[Line] = field(default_factory=list)

    @classmethod
    def of(cls, spec: TopicTable, lines: Sequence[Line]) -> Drawn:
        seconds = [value for value in seconds_of(lines) if value]
        values = tuple(value for value in spec.drawn if value in seconds)
        statistic = _statistic(spec, lines)
        if spec.chart in ("series", "curve"):
            return cls(spec, list(lines), tuple(seconds) or ("",), statistic)
        if not values:
            # Of a level there must be a share; the whole that shares are of is no level.
            values = tuple(v for v in seconds if any(line.figure(v, statistic) is not None for line in lines)) or ("",)
        if spec.chart in ("bars", "estimates") and _is_spread(lines, values):
            lines, values = spread(lines, values), ("",)
        found = cls(spec, list(lines), values, statistic)
        found.lines = found.sorted(found.lines)
        return found

    def sorted(self, lines: Sequence[Line]) -> list[Line]:
        """In the order of the topic; lines without a value stand last. Headings keep their order, scales stay together."""
        scales = list(dict.fromkeys(map(scale_of, lines)))
        lines = sorted(lines, key=lambda line: scales.index(scale_of(line)))
        if self.spec.order == "frame":
            return lines
        key = self.spec.beside or (self.spec.drawn[0] if self.spec.drawn else "")
        groups = list(dict.fromkeys(line.group for line in lines))

        def place(line: Line) -> tuple[int, float]:
            row = line.figure(key, self.statistic) or line.figure("", self.statistic)
            value = (row["low"] if self.spec.order == "low" else row["value"]) if row and has_value(row) else None
            return groups.index(line.group), -value if value is not None else float("inf")

        return sorted(lines, key=place)

    @property
    def nobody(self) -> str:
        """The lines for which there is nobody, under their headings."""
        groups: dict[str, list[str]] = {}
        for line in self.empty:
            groups.setdefault(line.group, []).append(line.label if line.group else in_sentence(line.label))
        return "; ".join(
            ", ".join(names) + (f" ({in_sentence(group)})" if group else "") for group, names in groups.items()
        )

    def figures(self, lines: Sequence[Line] | None = None) -> list[Figures]:
        found = (
            line.figure(value, self.statistic)
            for line in (self.lines if lines is None else lines)
            for value in self.values
        )
        return [row for row in found if row is not None]

    @cached_property
    def common_n(self) -> int | None:
        """The one whole of all that is drawn, if it is one and known."""
        if self.spec.chart == "curve":
            return None
        found = {n_of(row) for row in self.figures() if has_value(row)}
        return found.pop() if len(found) == 1 else None

    @property
    def n_range(self) -> str:
        """Of how many patients the points over time are, where that differs; of a curve, how many were there at first."""
        if self.spec.chart not in ("series", "curve"):
            return ""
        is_curve = self.spec.chart == "curve"
        values = self.values[:1] if is_curve else self.values
        rows = [line.figure(value, self.statistic) for line in self.lines for value in values]
        found = sorted(n for row in rows if row is not None and has_value(row) and (n := n_of(row)) is not None)
        if not found or (not is_curve and found[0] == found[-1]):
            return ""
        text = f"n = {found[0]:,}" if found[0] == found[-1] else f"n from {found[0]:,} to {found[-1]:,}"
        return f"At the start {text}." if is_curve else f"{text}."

    @property
    def unit(self) -> str:
        """The unit of what is drawn, where it is no share; shares have their sign."""
        units = {row["unit"] for row in self.figures() if not is_share(row) and has_value(row)}
        return units.pop() if len(units) == 1 and self.spec.chart != "table" else ""

    @cached_property
    def is_percent(self) -> bool:
        return all(is_share(row) for row in self.figures()) or self.spec.chart == "curve"

    def axis(self, lines: Sequence[Line] | None = None) -> Axis:
        """Of all values of these lines; of those of the chart if none are given."""
        found = [row for row in self.figures(lines) if has_value(row)]
        values = [row[name] for row in found for name in ("value", "low", "high") if row[name] is not None]
        if self.is_percent and self.spec.chart != "estimates":
            return charts.shares_axis(max(values, default=1.0))
        reference = self.spec.reference if self.spec.chart == "estimates" else None
        if self.is_percent:
            return charts.round_axis(values or [0.0], lambda v: f"{fixed(v * 100, 0)} %", reference)
        axis = charts.round_axis(values or [0.0], str, reference)
        step = axis.ticks[1] - axis.ticks[0] if len(axis.ticks) > 1 else 1.0
        places = next((n for n in range(4) if abs(step * 10**n - round(step * 10**n)) < 1e-9), 3)
        return Axis(axis.low, axis.high, axis.ticks, lambda v: fixed(v, places), reference)

    # Rows

    def limited(self, most: int) -> int:
        """Make the rows of the chart, at most so many lines; returns how many are left out."""
        if self.spec.chart in ("series", "curve", "table", "body"):
            return 0
        made = [(line, self._row(line)) for line in self.lines]
        kept = [(line, row) for line, row in made if row is not None]
        if len(kept) < len(made) - len(self.empty):
            self.undrawable = (len(made) - len(self.empty) - len(kept), len(made) - len(self.empty))
        # Points of one scale are no points of another: each has an axis of its own, and as many lines. Shares share one.
        scales = [list(found) for _, found in itertools.groupby(kept, key=lambda pair: scale_of(pair[0]))]
        has_axes = len(scales) > 1 and self.spec.chart == "estimates" and not self.is_percent
        for found in scales:
            axis = self._axis_of_scale([line for line, _ in found]) if has_axes else None
            self.rows += [replace(row, axis=axis) for row in _headed(found[: _whole_groups(found, most)])]
        return len(kept) - sum(not row.is_heading for row in self.rows)

    def _axis_of_scale(self, lines: Sequence[Line]) -> Axis:
        """Of scores over all the scale, where the topic says so; else, as of changes, over the values there are."""
        units = {row["unit"] for row in self.figures(lines)}
        is_whole = self.spec.is_whole_scale and units == {"points"}
        return (whole_axis(scale_of(lines[0])) if is_whole else None) or self.axis(lines)

    def _row(self, line: Line) -> Row | None:
        if self.spec.chart == "levels":
            return self._levels(line)
        return self._marks(line)

    def _marks(self, line: Line) -> Row | None:
        found = [(at, line.figure(value, self.statistic)) for at, value in enumerate(self.values)]
        if all(row is None for _, row in found):
            return None
        hidden = sum(is_suppressed(row) for _, row in found)
        rows = [(at, row) for at, row in found if row is not None and has_value(row)]
        if self.spec.chart == "bars" and self._is_nobody(line):
            self.empty.append(line)
            return None
        is_alone = len(self.values) == 1
        marks = []
        for at, row in rows:
            is_bar = is_alone and self.spec.chart == "bars"
            has_interval = row["low"] is not None
            css = (
                ("bar" if has_interval else "part" if line.is_indented else "accent")
                if is_bar
                else ("accent", "soft")[at]
            )
            marks.append(Mark(row["value"], row["low"], row["high"], css, is_bar))
        found_ns = [n for _, row in rows if (n := n_of(row)) is not None]
        note = chart_note(rows[0][1], self._decimals) if is_alone and rows else ""
        if rows and self.common_n is None:
            ns = n_is(found_ns[0] if found_ns else None)
            ns += f", {found_ns[1]:,}" if len(set(found_ns)) == 2 else ""
            note = f"{note} · {ns}" if note else ns
        if not rows and not hidden:
            note = "not estimable"
        held = ("suppressed" if hidden else "") if is_alone else _HELD[hidden]
        return Row(line.label, note, held, marks=tuple(marks), is_indented=line.is_indented)

    def _is_nobody(self, line: Line) -> bool:
        counts = [line.figure(value, "count") for value in self.values]
        return all(row is not None and has_value(row) and not row["value"] for row in counts)

    @cached_property
    def _decimals(self) -> int:
        return decimals_for(self.figures())

    def _levels(self, line: Line) -> Row | None:
        """The levels as a bar, or a chip if the first level is not shown: then nothing of it has a place. None without any."""
        ramp = ramp_of(self.values, self.spec.apart)
        rows = [(value, line.figure(value, self.statistic)) for value in self.values]
        given = [(value, row) for value, row in rows if row is not None]
        if self._is_nobody(line):
            self.empty.append(line)
        if not given or self._is_nobody(line):
            return None
        beside = line.figure(self.spec.beside, self.statistic) if self.spec.beside else None
        n = next((n for _, row in given if (n := n_of(row)) is not None), None)
        notes = [chart_note(beside)] if beside is not None and has_value(beside) else []
        notes += [n_is(n)] if self.common_n is None else []
        if not has_value(given[0][1]):
            is_all = not any(has_value(row) for _, row in given)
            note = n_is(n) if n is not None and self.common_n is None else ""
            return Row(line.label, note, "suppressed" if is_all else "suppressed in part")
        whole = beside["value"] if beside is not None and has_value(beside) and self._is_sum(given, beside) else 1.0
        parts = [(row["value"] if has_value(row) else None, ramp[value]) for value, row in given]
        return Row(
            line.label,
            " · ".join(notes),
            segments=stacked(parts, whole),
            interval=boundary([row for _, row in given], beside, has_none="none" in self.values),
            is_indented=line.is_indented,
        )

    def _is_sum(self, given: Sequence[tuple[str, Figures]], beside: Figures) -> bool:
        """The levels are parts of the value beside, so that the bar ends there."""
        shown = sum(row["value"] for _, row in given if has_value(row))
        return "none" not in self.values and shown <= beside["value"] + 1e-9

    @property
    def names(self) -> list[Name]:
        labels = seconds_of(self.lines)
        if self.spec.chart == "levels":
            ramp = ramp_of(self.values, self.spec.apart)
            return [Name(ramp[value], capital(labels[value])) for value in self.values]
        if len(self.values) == 2:
            marks = ("dot-accent", "dot-soft")
            return [Name(css, capital(labels[value])) for css, value in zip(marks, self.values, strict=True)]
        return []

    @property
    def notes_name(self) -> str:
        """What stands at the right of the bars, where it is none of them."""
        labels = seconds_of(self.lines)
        is_noted = self.spec.chart == "levels" and any("%" in row.note for row in self.rows)
        return capital(labels.get(self.spec.beside or "", "")) if is_noted else ""

    def draw(self, *, width: int, title: str, description: str, chart_id: str) -> str:
        if self.parts:
            return draw_body(
                self.parts, width=width, axis=self.axis(), title=title, description=description, chart_id=chart_id
            )
        axis = self.axis()
        if self.spec.chart == "levels":
            ends = [sum(segment.share for segment in row.segments) for row in self.rows]
            ends += [row.interval[1] for row in self.rows if row.interval]
            axis = charts.shares_axis(max(ends, default=1.0))
        return charts.draw(
            self.rows,
            width=width,
            title=title,
            description=description,
            chart_id=chart_id,
            axis=axis,
            names=self.names,
            notes_name=self.notes_name,
        )

    # Parts of the body

    @cached_property
    def parts(self) -> list[Part]:
        if self.spec.chart != "body":
            return []
        found = []
        for line in self.lines:
            cell = next(iter(line.cells.values()))
            row = line.figure(self.values[0], self.statistic)
            if cell.value_1 not in REGIONS or row is None:
                continue
            value = row["value"] if has_value(row) else None
            note = chart_note(row, self._decimals) if value is not None else "suppressed" if is_suppressed(row) else "–"
            found.append(Part(cell.value_1, line.label, value, note, row["low"], row["high"], is_suppressed(row)))
        return found

    @cached_property
    def times(self) -> Times | None:
        if self.spec.chart not in ("series", "curve"):
            return None
        is_curve = self.spec.chart == "curve"
        return times_of(
            self.lines, self.values, self.statistic, None if is_curve else self.axis(), is_percent=self.is_percent
        )

    # What there is

    @property
    def value_count(self) -> int:
        if self.spec.chart == "body":
            return sum(part.value is not None for part in self.parts)
        if (times := self.times) is not None:
            return max((line.value_count for line in times.lines), default=0)
        return sum(row.value_count for row in self.rows)

    @property
    def single(self) -> str:
        """The only value as words."""
        return next((f"{row.label}: {row.note}" for row in self.rows if row.value_count), "")

    @property
    def has_part_suppressed(self) -> bool:
        return any(row.held == _HELD[1] for row in self.rows)

    @property
    def has_held(self) -> bool:
        return any(row.held for row in self.rows)

    @property
    def has_two_ns(self) -> bool:
        """A row has two points that are of two groups of patients."""
        return self.common_n is None and any(", " in row.note for row in self.rows if len(row.marks) == 2)

    @property
    def has_level_suppressed(self) -> bool:
        return any(row.held == "suppressed in part" for row in self.rows)

    @property
    def is_hatched_in_time(self) -> bool:
        times = self.times
        return times is not None and any(point.is_suppressed for line in times.lines for point in line.points)


def _whole_groups(kept: Sequence[tuple[Line, Row]], most: int) -> int:
    """How many lines to draw of at most so many: under headings the last one is whole or not there."""
    shown = len(kept[:most])
    while 0 < shown < len(kept) and kept[shown][0].group and kept[shown][0].group == kept[shown - 1][0].group:
        shown -= 1
    return shown or len(kept[:most])


def _headed(kept: Sequence[tuple[Line, Row]]) -> list[Row]:
    rows: list[Row] = []
    group = ""
    for line, row in kept:
        if line.group and line.group != group:
            rows.append(Row(line.group, is_heading=True))
            group = line.group
        rows.append(row)
    return rows


def _is_spread(lines: Sequence[Line], values: Sequence[str]) -> bool:
    """Each value is a line of its own: of more than two, or where the one line is what the page is about anyway."""
    if values == ("",):
        return False
    is_subject = len(lines) == 1 and any(cell.is_about_subject for cell in lines[0].cells.values())
    return len(values) > 2 or is_subject or (len(lines) == 1 and len(values) > 1)


def _statistic(spec: TopicTable, lines: Sequence[Line]) -> str:
    """The statistic that is drawn; where the release or a table lacks it, the first column that is no count."""
    given = {name for line in lines for cell in line.cells.values() for name in cell.figures}
    if spec.chart == "table":
        given &= set(spec.columns)
    others = [name for name in (*spec.columns, "share") if name in given and name != "count"]
    return spec.statistic if spec.statistic in given or not others else others[0]
