"""What the sections of the report are made of: charts with the tables behind them, and words for figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flows.pages import charts

if TYPE_CHECKING:
    from flows.pages.charts import Row
    from flows.stages.release import Release

Figures = dict[str, Any]
HELD_KEY = "Suppressed levels, together"


@dataclass(frozen=True)
class TableCell:
    """One cell of a table; `kind` is its class: text, number, suppressed."""

    text: str
    kind: str = "number"


EARLIER = "\u2020"


@dataclass(frozen=True)
class TableRow:
    """One line of a table. A heading spans all columns."""

    header: str
    cells: tuple[TableCell, ...] = ()
    is_indented: bool = False
    is_heading: bool = False


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it. The first column names the line."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    @property
    def heads(self) -> list[tuple[str, str]]:
        """The columns, each with the kind of its cells, under which it is aligned."""
        cells = next((row.cells for row in self.rows if row.cells), ())
        kinds = ["text" if cell.kind == "text" else "number" for cell in cells] or ["number"] * (len(self.columns) - 1)
        return list(zip(self.columns, ["text", *kinds], strict=True))


@dataclass(frozen=True)
class Key:
    """What a colour of a chart stands for."""

    css_class: str
    text: str


@dataclass(frozen=True)
class Figure:
    """A chart with the table behind it. What it shows, of whom, when. Without `rows` (None) it is a table only.

    `notes` say how to read the chart and stand below it; `table_notes` speak of the table or the data, below the table.
    """

    figure_id: str
    title: str
    subtitle: str
    table: TableView
    rows: tuple[Row, ...] | None = None
    keys: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    table_notes: tuple[str, ...] = ()
    upper: float = 1.0
    is_table_open: bool = False

    @property
    def is_drawn(self) -> bool:
        return sum(row.value_count for row in self.rows or ()) > 1

    @property
    def undrawn(self) -> str:
        """Why there is no chart, where there could be one: a single value is a sentence."""
        if self.rows is None or self.is_drawn:
            return ""
        single = next((row.label for row in self.rows if row.value_count), None)
        if single is not None:
            return f"There is no chart, since it would show a single value, of “{single}”. The table has it."
        why = "There is no chart, since there is no value to draw."
        return f"{why} The table says what is suppressed." if self.table.rows else why

    @property
    def shown_keys(self) -> tuple[Key, ...]:
        """The colours that are in the chart; hatching only where something is hatched."""
        if not self.is_drawn:
            return ()
        is_hatched = any(segment.is_suppressed for row in self.rows or () for segment in row.segments)
        return (*self.keys, Key("hatch", HELD_KEY)) if is_hatched else self.keys

    def svg(self, width: int, form: str) -> str:
        described = f"{self.subtitle} All values stand in the table that follows."
        return charts.draw(
            self.rows or (),
            width=width,
            title=self.title,
            description=described,
            chart_id=f"{self.figure_id}-{form}",
            upper=self.upper,
        )

    @property
    def wide(self) -> str:
        return self.svg(charts.WIDE, "wide")

    @property
    def narrow(self) -> str:
        return self.svg(charts.NARROW, "narrow")


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    section_id: str
    title: str
    lead: str
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """The published figures by table, and by cell within a table."""

    release: Release
    rows: list[Figures]
    by_table: dict[str, dict[tuple[str, str | None], dict[str, Figures]]] = field(default_factory=dict)

    @classmethod
    def of(cls, release: Release) -> Frame:
        frame = cls(release, release.frame.to_pylist())
        for row in frame.rows:
            row["is_earlier"] = row["as_of_at"] != release.as_of_at or row["as_of_batch"] != release.as_of_batch
            cells = frame.by_table.setdefault(row["table_id"], {})
            cells.setdefault((row["value_1"], row["value_2"]), {})[row["statistic"]] = row
        return frame

    def table(self, name: str) -> dict[tuple[str, str | None], dict[str, Figures]]:
        return self.by_table.get(name, {})

    def firsts(self, name: str) -> list[tuple[str, str]]:
        """The values of the first dimension with their labels, in the frame's order."""
        return list(dict.fromkeys((c["count"]["value_1"], c["count"]["label_1"]) for c in self.table(name).values()))

    def figure(self, name: str, value_1: str, value_2: str | None = None, statistic: str = "count") -> Figures | None:
        return self.table(name).get((value_1, value_2), {}).get(statistic)

    @property
    def earlier_count(self) -> int:
        """How many figures are shown as an earlier release showed them."""
        return sum(row["is_earlier"] for row in self.rows)

    @property
    def when(self) -> str:
        return f"{day(self.release.window_from_on)} to {day(self.release.window_to_on)}"

    @property
    def as_of(self) -> str:
        return f"as of {day(self.release.as_of_at)}"

    def nothing(self, *, has_window: bool = True) -> str:
        """The sentence of a section without figures; it names the time looked at, so that an old export explains itself."""
        first, last = day(self.release.window_from_on), day(self.release.window_to_on)
        span = f"between {first} and {last}" if has_window else f"up to {last}"
        return f"There is nothing to show: nobody who may be counted reported on this {span}."


def day(moment: Any) -> str:
    """A date as people write it: 1 October 2025."""
    return f"{moment.day} {moment:%B %Y}"


def number(row: Figures | None) -> TableCell:
    """A count, with commas; the word for what is hidden; a dash for what there is not."""
    if row is None:
        return TableCell("–", "none")
    if row["state"] == "suppressed":
        return TableCell("suppressed", "suppressed")
    return TableCell(f"{round(row['value']):,}{_dagger(row)}")


def _dagger(row: Figures) -> str:
    """The sign of a figure that is shown as an earlier release showed it."""
    return EARLIER if row.get("is_earlier") else ""


def share(row: Figures | None) -> TableCell:
    """A share in percent with its interval, if it has one."""
    if row is None:
        return TableCell("–", "none")
    if row["state"] == "suppressed":
        return TableCell("suppressed", "suppressed")
    text = f"{row['value'] * 100:.1f} %"
    if row["low"] is not None:
        text += f" ({row['low'] * 100:.1f}–{row['high'] * 100:.1f})"
    return TableCell(text + _dagger(row))


def percent(part: Figures) -> str:
    return f"{part['value'] * 100:.0f} %"


def with_interval(part: Figures) -> str:
    return f"{percent(part)} ({part['low'] * 100:.0f}–{part['high'] * 100:.0f})"


def is_shown(row: Figures | None) -> bool:
    return row is not None and row["state"] == "shown"


def is_zero(row: Figures | None) -> bool:
    return row is not None and is_shown(row) and not row["value"]


def plain(row: Figures | None) -> str:
    return number(row).text


def n_is(whole: Figures | None) -> str:
    """The number of patients as half a sentence, also where it is suppressed."""
    return f"n = {plain(whole)}" if is_shown(whole) else "n is suppressed"


def of_n(whole: Figures | None) -> str:
    """“, of 28 patients”; nothing where that number is suppressed."""
    return f", of {plain(whole)} patients" if is_shown(whole) else ""


def axis_end(largest: float) -> float:
    """The right end of the axis: the next of a few round shares."""
    return next((limit for limit in (0.2, 0.4, 0.6, 0.8) if largest <= limit), 1.0)


def sort_share(row: Figures | None) -> float:
    return row["value"] if row is not None and is_shown(row) else -1.0
