"""From cells of a table to the lines of its chart and of the table behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from flows.pages.frame import Cell, Figures, Frame, Subject
from flows.pages.words import (
    TableCell,
    capital,
    decimals_for,
    dimension_words,
    in_sentence,
    n_of,
    statistic_words,
    table_cell,
    time_words,
)
from schemas.topics import Topic, TopicTable

_FOR = " for "
_QUARTER = "quarter"
_WIDEST = 8  # columns of figures that a table may have before it is long instead


@dataclass(frozen=True)
class Line:
    """A line: its label, the heading it stands under, and a cell for each value of the second dimension ("" if none)."""

    label: str
    group: str = ""
    subject: Subject | None = None
    cells: dict[str, Cell] = field(default_factory=dict)
    is_indented: bool = False

    def figure(self, value_2: str, statistic: str) -> Figures | None:
        cell = self.cells.get(value_2)
        return cell.get(statistic) if cell is not None else None


@dataclass(frozen=True)
class TableRow:
    """One line of a table. A heading spans all columns."""

    header: str
    cells: tuple[TableCell, ...] = ()
    is_indented: bool = False
    is_heading: bool = False
    link: str = ""


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

    @property
    def bodies(self) -> list[list[TableRow]]:
        """The rows under each heading, the heading first: lines are sorted within their body."""
        found: list[list[TableRow]] = [[]]
        for row in self.rows:
            if row.is_heading and found[-1]:
                found.append([])
            found[-1].append(row)
        return [body for body in found if body]

    @property
    def is_sortable(self) -> bool:
        return len(self.rows) > 3 and not any(row.is_indented for row in self.rows)


def cells_of(frame: Frame, spec: TopicTable, table_id: str, subject: Subject | None) -> list[Cell]:
    """The cells of a table that the page is about; of all subjects if it is about none."""
    return [
        cell
        for cell in frame.tables.get(table_id, ())
        if (subject is None or cell.subject == subject)
        and (spec.dimension is None or cell.dimension_1 == spec.dimension)
    ]


def lines_of(cells: Sequence[Cell], subject: Subject | None, pages: frozenset[Subject] = frozenset()) -> list[Line]:
    """A line for each value of the first dimension; where some cells have a second one and some not, one for each cell.

    A line leads to the page of what it names, if that is one of `pages`.
    """
    is_mixed = len({cell.value_2 is None for cell in cells}) > 1
    is_grouped = len({cell.subject for cell in cells if not cell.is_about_subject}) > 1
    found: dict[tuple[object, ...], Line] = {}
    for cell in cells:
        key = (cell.subject, cell.value_1, cell.value_2 if is_mixed else None)
        if key not in found:
            is_part = is_mixed and cell.value_2 is not None
            label, group = _label(cell, subject)
            if is_grouped and not group and cell.subject is not None and not cell.is_about_subject:
                group = cell.subject.label
            named = cell.named if _FOR not in cell.dimension_1 else cell.subject
            link = named if named in pages and named != subject and not is_part else None
            found[key] = Line(capital((cell.label_2 or "") if is_part else label), group, link, {}, is_part)
        found[key].cells["" if is_mixed else cell.value_2 or ""] = cell
    lines = list(found.values())
    if len({line.group for line in lines}) == len(lines) and all(line.label.startswith(line.group) for line in lines):
        # A heading above each single line would say the same twice.
        lines = [replace(line, group="") for line in lines]
    groups = list(dict.fromkeys(line.group for line in lines))
    if any(group.startswith("For ") for group in groups):
        return sorted(lines, key=lambda line: (line.group.casefold(), line.label.casefold()))
    return sorted(lines, key=lambda line: groups.index(line.group))


def _label(cell: Cell, subject: Subject | None) -> tuple[str, str]:
    """Label and heading. Of “Baclofen for cramps” the page of baclofen needs the purpose only, the others have it above."""
    treatment, joint, purpose = cell.label_1.partition(_FOR)
    if _FOR not in cell.dimension_1 or not joint:
        return cell.label_1, ""
    if subject is not None and cell.subject == subject and subject.kind == "treatment":
        return f"For {purpose}", ""
    return treatment, f"For {purpose}"


def spread(lines: Sequence[Line], seconds: Sequence[str]) -> list[Line]:
    """Lines of one value each: the second dimension of a single line becomes lines, of several ones lines under headings."""
    found = []
    for line in lines:
        for value in seconds:
            if (cell := line.cells.get(value)) is not None:
                label = capital(cell.label_2 or cell.label_1)
                group = ": ".join(filter(None, (line.group, line.label))) if len(lines) > 1 else line.group
                found.append(Line(label, group, None, {"": cell}))
    return found


def seconds_of(lines: Iterable[Line]) -> dict[str, str]:
    """The values of the second dimension with their labels, in the frame's order; numbers in their own."""
    found: dict[str, str] = {}
    for line in lines:
        for value, cell in line.cells.items():
            found.setdefault(value, cell.label_2 or "" if value else "")
    if all(value.isdecimal() for value in found):
        return {value: found[value] for value in sorted(found, key=int)}
    return found


def table_view(topic: Topic | None, spec: TopicTable, lines: Sequence[Line], caption: str) -> TableView:
    """The table behind a chart: values of the second dimension beside each other while they fit, else below each other."""
    cells = [cell for line in lines for cell in line.cells.values()]
    first = _first_head(lines)
    seconds = {v: text for v, text in seconds_of(lines).items() if not spec.listed or v in spec.listed}
    if spec.chart == "series" or any(cell.dimension_2 == _QUARTER for cell in cells):
        seconds = {value: time_words(value, text) for value, text in seconds.items()}
    given = {name for cell in cells for name in cell.figures}
    columns = [name for name in spec.columns if name in given] or sorted(given)
    written = _writer(cells, columns)

    def head(name: str, values: Iterable[str]) -> str:
        wanted = set(values)
        rows = [f for line in lines for v, c in line.cells.items() if v in wanted and (f := c.get(name)) is not None]
        return statistic_words(topic, name, rows)

    # Of one second value that is what the table is about the title speaks; any other stands in each line.
    is_one = list(seconds) == [""] or (len(seconds) == 1 and set(seconds) <= set(spec.drawn) and len(lines) > 1)
    is_own = all(len(line.cells) == 1 for line in lines)
    if not is_one and (len(lines) == 1 or is_own or len(seconds) * len(columns) > _WIDEST):
        return _long(topic, spec, lines, caption, seconds, columns, written)
    heads = [first]
    shown: list[tuple[str, str]] = []
    for value, text in seconds.items():
        names = [name for name in columns if any(line.figure(value, name) is not None for line in lines)]
        shown += [(value, name) for name in names]
        said = [head(name, [value]) for name in names]
        if is_one:
            heads += said
        elif len(columns) == 1:
            heads += [f"{capital(text)} (95 %)" if name.endswith("(95 %)") else capital(text) for name in said]
        else:
            heads += [f"{capital(text)}: {in_sentence(name)}" for name in said]
    rows: list[TableRow] = []
    for line in lines:
        rows += _heading(rows, line)
        found = tuple(written(name, line.figure(value, name)) for value, name in shown)
        rows.append(TableRow(line.label, found, line.is_indented, link=line.subject.page if line.subject else ""))
    return _with_n(spec, lines, TableView(caption, tuple(heads), tuple(rows)), seconds)


def _first_head(lines: Sequence[Line]) -> str:
    """What the lines are. On the page of a treatment the purposes alone are left of "treatment for purpose"."""
    names = [cell.dimension_1 for line in lines for cell in line.cells.values()][:1]
    if any(_FOR in name for name in names) and all(line.label.startswith("For ") for line in lines):
        return dimension_words(names[0].partition(_FOR)[2])
    return dimension_words(names[0]) if names else ""


def _writer(cells: Sequence[Cell], columns: Iterable[str]) -> Callable[[str, Figures | None], TableCell]:
    """How the cells of a column are written: with the decimals it needs, and with their unit where a column has several."""
    rows = {name: [row for cell in cells if (row := cell.get(name)) is not None] for name in columns}
    units = {name: {row["unit"] for row in found} for name, found in rows.items()}
    decimals = {
        (name, unit): decimals_for(row for row in rows[name] if row["unit"] == unit)
        for name, found in units.items()
        for unit in found
    }

    def written(name: str, row: Figures | None) -> TableCell:
        if row is None:
            return table_cell(None)
        cell = table_cell(row, decimals[name, row["unit"]])
        is_said = cell.kind == "number" and row["statistic"] not in ("count", "share") and len(units[name]) > 1
        return replace(cell, text=f"{cell.text} {row['unit']}") if is_said else cell

    return written


def _long(
    topic: Topic | None,
    spec: TopicTable,
    lines: Sequence[Line],
    caption: str,
    seconds: dict[str, str],
    columns: Sequence[str],
    written: Callable[[str, Figures | None], TableCell],
) -> TableView:
    """A row for each pair of values; the second value is a column of its own, unless there is one first value only."""
    some = next(iter(lines[0].cells.values()))
    is_single = len(lines) == 1
    second = dimension_words(some.dimension_2 or some.dimension_1)
    heads = [second] if is_single else [_first_head(lines), second]
    cells = [cell for line in lines for cell in line.cells.values()]
    heads += [statistic_words(topic, name, [f for c in cells if (f := c.get(name)) is not None]) for name in columns]
    rows: list[TableRow] = []
    for line in lines:
        rows += _heading(rows, line)
        for value, text in seconds.items():
            if value not in line.cells:
                continue
            found = tuple(written(name, line.figure(value, name)) for name in columns)
            label = capital(text) or line.label
            if is_single:
                rows.append(TableRow(label, found))
            else:
                link = line.subject.page if line.subject else ""
                rows.append(TableRow(line.label, (TableCell(label, "text"), *found), link=link))
    return TableView(caption, tuple(heads), tuple(rows))


def _heading(rows: Sequence[TableRow], line: Line) -> list[TableRow]:
    last = next((row.header for row in reversed(rows) if row.is_heading), "")
    return [TableRow(line.group, is_heading=True)] if line.group and line.group != last else []


def _with_n(spec: TopicTable, lines: Sequence[Line], table: TableView, seconds: dict[str, str]) -> TableView:
    """With a column of n, where shares are of different wholes."""
    found = [{n for value in seconds if (n := n_of(line.figure(value, "share"))) is not None} for line in lines]
    if "share" not in spec.columns or len(set().union(*found)) < 2 or any(len(some) > 1 for some in found):
        return table
    cells = iter([TableCell(f"{next(iter(some)):,}") if some else TableCell("–", "none") for some in found])
    rows = [row if row.is_heading else replace(row, cells=(next(cells), *row.cells)) for row in table.rows]
    return TableView(table.caption, (table.columns[0], "n", *table.columns[1:]), tuple(rows))
