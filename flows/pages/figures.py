"""A table of a topic as the pages show it: title, of whom, chart, the table behind it, and what is not in the chart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.pages import charts, drawing
from flows.pages.frame import Cell, Frame, Subject
from flows.pages.lines import TableView, cells_of, lines_of, table_view
from flows.pages.times import PANEL, Times
from flows.pages.words import capital, has_value, in_sentence, is_share, n_is, plain
from schemas.topics import Topic, TopicTable

_MOST = {"overview": 10, "topic": 60, "subject": 40}
_PANELS = 60
# Units that are no words after "In".
_UNITS_SAID = {"correlation": "Rank correlation, from −1 to 1.", "levels": "In levels of severity."}


@dataclass(frozen=True)
class Panel:
    """One of several small charts."""

    title: str
    svg: str
    width: int


@dataclass(frozen=True)
class Figure:
    """A chart with the table behind it. What it shows, of whom, when. Without `draw` it is a table only.

    `notes` say how to read the chart and stand below it; `table_notes` speak of the table, below the table.
    """

    figure_id: str
    title: str
    subtitle: str
    table: TableView
    draw: Callable[[int, str], str] | None = None
    panels: tuple[Panel, ...] = ()
    undrawn: str = ""
    notes: tuple[str, ...] = ()
    table_notes: tuple[str, ...] = ()
    is_table_open: bool = False

    @property
    def is_drawn(self) -> bool:
        return self.draw is not None

    @property
    def wide(self) -> str:
        return self.draw(charts.WIDE, f"{self.figure_id}-wide") if self.draw else ""

    @property
    def narrow(self) -> str:
        return self.draw(charts.NARROW, f"{self.figure_id}-narrow") if self.draw else ""


@dataclass(frozen=True)
class Place:
    """Where a figure stands: the overview, a topic's page, or the page of a subject."""

    kind: str
    subject: Subject | None = None


def figures_of(frame: Frame, topic: Topic | None, spec: TopicTable, place: Place, taken: set[str]) -> list[Figure]:
    """The figures of a table of a topic at a place: one for each table its id stands for. `taken` are ids on the page."""
    found = []
    for table_id in table_ids(frame, spec):
        cells = cells_of(frame, spec, table_id, place.subject)
        if cells:
            found.append(_figure(frame, topic, spec, place, table_id, cells, taken))
    return found


def table_ids(frame: Frame, spec: TopicTable) -> list[str]:
    """The tables of the release that an id stands for; ratings in our own words before translated ones."""
    if not spec.table_id.endswith("*"):
        return [spec.table_id] if spec.table_id in frame.tables else []
    start = spec.table_id[:-1]
    names = sorted(name for name in frame.tables if name.startswith(start))
    return sorted(names, key=lambda name: not name.endswith("_native"))


def _figure(
    frame: Frame, topic: Topic | None, spec: TopicTable, place: Place, table_id: str, cells: list[Cell], taken: set[str]
) -> Figure:
    lines = lines_of(cells, place.subject, frame.pages)
    say = _Words(frame, spec, place, table_id, cells)
    title = capital(say.filled(spec.title))
    drawn_of = drawing.Drawn.of(spec, lines)
    most = spec.most or _MOST[place.kind]
    if place.kind == "overview":
        most = min(most, _MOST["overview"])
    left_out = drawn_of.limited(most)
    subtitle = _subtitle(say.filled(spec.of_whom), drawn_of)
    figure_id = _unique(f"{table_id}-{spec.chart}", taken)
    table = table_view(topic, spec, drawn_of.sorted(lines), f"{title}{'' if title.endswith('?') else '.'} {subtitle}")
    draw: Callable[[int, str], str] | None = None
    panels: tuple[Panel, ...] = ()
    undrawn = ""
    if spec.chart != "table":
        described = f"{subtitle} All values stand in the table that follows."
        draw, panels, undrawn = _chart(drawn_of, title, described, figure_id)
    return Figure(
        figure_id,
        title,
        subtitle,
        table,
        draw,
        panels,
        undrawn,
        _notes(spec, drawn_of, is_drawn=bool(draw or panels)),
        _table_notes(drawn_of, left_out, has_panels=bool(panels)),
        is_table_open=spec.chart == "table" and len(table.rows) <= 30,
    )


def _subtitle(text: str, found: drawing.Drawn) -> str:
    """Of whom, with n and unit where they are the same for all that is drawn."""
    parts = [text.rstrip()]
    if (n := found.common_n) is not None:
        parts.append(f"{n_is(n)}.")
    if found.n_range:
        parts.append(found.n_range)
    if found.unit:
        parts.append(_UNITS_SAID.get(found.unit) or f"In {found.unit}.")
    return " ".join(parts)


def _notes(spec: TopicTable, found: drawing.Drawn, *, is_drawn: bool) -> tuple[str, ...]:
    """How to read the figure. Where all is suppressed there is nothing to read."""
    if not is_drawn:
        return spec.notes if spec.chart == "table" or found.single else ()
    return (*spec.notes, *_chart_notes(found))


def _chart_notes(found: drawing.Drawn) -> list[str]:
    """What the words and the hatching in the chart mean."""
    notes = []
    if found.has_level_suppressed:
        notes.append(
            "“Suppressed in part”: the first level is, so that no other has its place. The table has the others."
        )
    if found.has_part_suppressed:
        notes.append("“One suppressed”: of the two values, that whose colour is missing.")
    if found.has_two_ns:
        notes.append("Of two n the first is that of the dark point, the second that of the light one.")
    if found.is_hatched_in_time:
        notes.append("Hatched: suppressed at that time.")
    return notes


def _table_notes(found: drawing.Drawn, left_out: int, *, has_panels: bool) -> tuple[str, ...]:
    """What the table has and the chart has not."""
    notes = []
    if left_out:
        notes.append(f"{left_out:,} more lines stand in the table.")
    if has_panels and found.times and (more := len(found.times.panels) - _PANELS) > 0:
        notes.append(f"{more:,} more stand in the table, and each on a page of its own.")
    if found.undrawable:
        hidden, listed = found.undrawable
        notes.append(f"{hidden:,} of {listed:,} lines have no such figure, and stand in the table only.")
    if found.empty:
        notes.append(f"In the table only, since nobody is in them: {found.nobody}.")
    return tuple(notes)


def _chart(
    found: drawing.Drawn, title: str, described: str, figure_id: str
) -> tuple[Callable[[int, str], str] | None, tuple[Panel, ...], str]:
    """The chart, or small charts, or why there is none: a single value is a sentence."""
    if found.value_count < 2:
        if single := found.single:
            rest = " What else there is, is suppressed." if found.has_held else ""
            return None, (), f"{single}.{rest}"
        why = (
            "the first level is suppressed, so that no other has its place. The table has the others."
            if found.has_level_suppressed
            else "there is no value to draw. The table says what is suppressed."
        )
        return None, (), f"There is no chart, since {why}"
    times = found.times
    if times is not None and times.is_in_panels:
        panels = enumerate(times.panels[:_PANELS])
        return None, tuple(_panel(name, part, described, f"{figure_id}-{at}") for at, (name, part) in panels), ""

    def draw(width: int, chart_id: str) -> str:
        given = {"width": width, "title": title, "description": described, "chart_id": chart_id}
        if times is not None:
            return times.draw(**given)  # type: ignore[arg-type]
        return found.draw(**given)  # type: ignore[arg-type]

    return draw, (), ""


def _panel(name: str, times: Times, described: str, chart_id: str) -> Panel:
    width = PANEL if len(times.lines) == 1 else charts.NARROW
    return Panel(name, times.draw(width=width, title=name, description=described, chart_id=chart_id), width)


def _unique(name: str, taken: set[str]) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    found, number = stem, 1
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    taken.add(found)
    return found


@dataclass(frozen=True)
class _Words:
    """What stands for the names in braces of a topic's sentences."""

    frame: Frame
    spec: TopicTable
    place: Place
    table_id: str
    cells: Sequence[Cell]

    def filled(self, text: str) -> str:
        kinds = {cell.subject.kind for cell in self.cells if cell.subject is not None}
        subject = self.place.subject
        family = self.table_id[len(self.spec.table_id) - 1 :] if self.spec.table_id.endswith("*") else ""
        given = {
            "subject": in_sentence(subject.label) if subject else f"each {kinds.pop()}" if len(kinds) == 1 else "each",
            "when": self.frame.when,
            "as_of": self.frame.as_of,
            "family": "" if family in ("", "native") else f": {family}, ratings translated",
        }
        return re.sub(r"\{(\w+)\}", lambda found: given.get(found[1], found[0]), text)


def sentence(frame: Frame, spec: TopicTable, subject: Subject) -> str:
    """What a table says of a subject, in one sentence; "" if one of its figures is not shown."""
    by_value: dict[str, Cell] = {}
    for table_id in table_ids(frame, spec)[:1]:
        for cell in cells_of(frame, spec, table_id, subject):
            by_value.setdefault(cell.value_2 or cell.value_1, cell)
    missing = False

    def figure(found: re.Match[str]) -> str:
        nonlocal missing
        cell = by_value.get(found[1])
        row = cell.get(found[2] or "count") if cell is not None else None
        if not has_value(row) or row is None:
            missing = True
            return ""
        return f"{row['value'] * 100:.0f} %" if is_share(row) else plain(row)

    text = re.sub(r"\{(\w+)(?:\.(\w+))?\}", figure, spec.says)
    return "" if missing else text
