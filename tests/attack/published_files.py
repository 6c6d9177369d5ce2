"""What a reader of the published files has: their rows, and where one of them says more than another.

Nothing of the project is imported here. The attacker has a folder, and what the report's own words say of it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq

# CSV rounds to so many places; a difference below that is none.
PLACES = 6
GUARDED = ("patients", "records")
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Figure:
    """One row, whichever file it stands in. `key` names a set of patients; numbers are None where the file has none."""

    table: str
    key: str
    first: str
    second: str
    labels: tuple[str, str]
    statistic: str
    unit: str
    state: str
    n: float | None
    denominator: float | None
    value: float | None
    low: float | None
    high: float | None
    as_of: tuple[str, str]
    # Where a reader finds it, if lines of one table are told apart by more than their two values.
    at: Place | None = None

    @property
    def is_guarded(self) -> bool:
        """Whether it counts people, or records that may be a few people's; means and rates are of people too."""
        return self.unit not in ("files", "codes")

    @property
    def place(self) -> Place:
        return self.at or (self.table, self.first, self.second)


@dataclass
class Published:
    """A release as its files have it. `faults` are what stands in one file and not in all, or in no data file."""

    figures: list[Figure]
    as_of: tuple[str, str]
    faults: list[str] = field(default_factory=list)

    def is_carried(self, figure: Figure) -> bool:
        """Whether a figure says of itself that it is of an earlier time than the release."""
        return figure.as_of != self.as_of


def placed_by_key(published: Published) -> Published:
    """The same with every line in a place of its own: several subjects may share a table's values."""
    placed = [replace(f, at=(f.table, f.key, f"{f.first}|{f.second}")) for f in published.figures]
    return replace(published, figures=placed)


def read_release(folder: Path) -> Published:
    """Read all files of a published folder and hold them against one another."""
    with (folder / "release.csv").open(encoding="utf-8", newline="") as file:
        from_csv = [_figure(row) for row in csv.DictReader(file)]
    document = json.loads((folder / "release.json").read_text(encoding="utf-8"))
    from_json = [_figure(row) for row in document["figures"]]
    from_parquet = [_figure(row) for row in pq.read_table(folder / "release.parquet").to_pylist()]
    as_of = max((figure.as_of for figure in from_csv), default=("", ""))
    found = Published(from_csv, as_of)
    for name, others in (("release.json", from_json), ("release.parquet", from_parquet)):
        if len(others) != len(from_csv):
            found.faults.append(f"{name} has {len(others)} figures, release.csv {len(from_csv)}")
        found.faults += [
            f"{name}: {other.table} {other.key} {other.statistic} is not what release.csv says"
            for ours, other in zip(from_csv, others, strict=False)
            if not _agree(ours, other)
        ]
    of_figures, sayable = _numbers_of_figures(document), _Sayable(from_csv)
    for page in sorted(folder.rglob("*.html")):
        # The note counts figures, not people: its numbers must follow from the data files in their own way.
        more = of_figures if page.name == "release-note.html" else set()
        if page.name == "downloads.html":  # what the columns of the files hold: no figures
            continue
        text = page.read_text(encoding="utf-8")
        found.faults += [f"{page.name}: {fault}" for fault in unexplained(text, sayable, more)]
    return found


def _numbers_of_figures(document: dict) -> set[str]:
    """How many figures there are of each topic, how many are suppressed, and what became of them since the release before."""
    by_topic = Counter(row["topic"] for row in document["figures"])
    hidden = Counter(row["topic"] for row in document["figures"] if row["state"] == "suppressed")
    since = Counter()
    for difference in document["release"]["differences"]:
        since.update({name: count for name, count in difference.items() if isinstance(count, int)})
    return {str(n) for counts in (by_topic, hidden, since) for n in (0, *counts.values())}


def _figure(row: dict[str, object]) -> Figure:
    def number(name: str) -> float | None:
        return None if row[name] in (None, "") else float(str(row[name]))

    def text(name: str) -> str:
        value = "" if row[name] is None else row[name]
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    return Figure(
        text("table_id"),
        text("cell_key"),
        text("value_1"),
        text("value_2"),
        (text("label_1"), text("label_2")),
        text("statistic"),
        text("unit"),
        text("state"),
        number("n_patients"),
        number("denominator"),
        number("value"),
        number("low"),
        number("high"),
        (f"{int(float(text('as_of_batch'))):09d}", text("as_of_at")),
    )


def _agree(one: Figure, other: Figure) -> bool:
    def close(a: float | None, b: float | None) -> bool:
        return a is b is None or (a is not None and b is not None and abs(a - b) <= 10**-PLACES)

    numbers = ("n", "denominator", "value", "low", "high")
    words = ("table", "key", "first", "second", "statistic", "unit", "state", "as_of")
    return all(getattr(one, w) == getattr(other, w) for w in words) and all(
        close(getattr(one, n), getattr(other, n)) for n in numbers
    )


class _Tables(HTMLParser):
    """The body cells of every table, each line with its header; a line that spans the table heads those below it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.lines: list[tuple[str, list[str]]] = []
        self._cells: list[tuple[str, str]] = []
        self._open: str | None = None
        self._text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self._cells = []
        elif tag in ("td", "th"):
            self._open, self._text = tag, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._open == tag:
            self._cells.append((tag, " ".join(self._text.split())))
            self._open = None
        elif tag == "tr":
            header = next((text for kind, text in self._cells if kind == "th"), "")
            self.lines.append((header, [text for kind, text in self._cells if kind == "td"]))


_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?")


class _Sayable:
    """Every way in which a page may write the figures of the data files: all, or those of one subject."""

    def __init__(self, figures: list[Figure]) -> None:
        self._by_label: dict[str, list[Figure]] = {}
        for figure in figures:
            for label in {label.lower() for label in figure.labels} - {""}:
                self._by_label.setdefault(label, []).append(figure)
        self._everything = _texts(figures)
        self._of: dict[str, set[str]] = {}

    def of(self, name: str) -> set[str]:
        """Of the figures whose subject has that name in it; of all where none has."""
        if name not in self._of:
            # "Physical therapy" heads a line about physical therapy for spasticity, below a heading that says for what.
            about = [f for label, group in self._by_label.items() if name and name in label for f in group]
            # A line may say for which of the values of a dimension it is: "180" days.
            values = {word for f in about for value in (f.first, f.second) for word in re.findall(r"\d+", value)}
            self._of[name] = _texts(about) | values if about else self._everything
        return self._of[name]


def unexplained(html: str, sayable: _Sayable, more: set[str] = frozenset()) -> list[str]:
    """Numbers in tables of a page that no shown figure of the data files has: of the line's subject, if it names one."""
    found = []
    for header, cells in _Tables(html).lines:
        said = sayable.of(header.lower())
        for cell in cells:
            if more and not _NUMBER.fullmatch(cell):
                continue
            words = (word.replace(",", "") for word in _NUMBER.findall(cell))
            strange = [word for word in words if word not in said and word not in more]
            found += [f"'{header}' says {word}, which no data file does" for word in strange]
    return found


def _texts(figures: list[Figure]) -> set[str]:
    """Every way in which a page may write the numbers of these figures."""
    found = {"0", "0.001"}  # zeros are shown, and of a probability that it is less than this
    for figure in figures:
        for given in (figure.n, figure.denominator, figure.value, figure.low, figure.high):
            if given is not None:
                found |= _ways_to_write(given)
    return found


@cache
def _ways_to_write(given: float) -> frozenset[str]:
    # .0155 of the file may be .01549996, which a page writes as 1.5 %.
    values = (given, given - 0.5 * 10.0**-PLACES, given + 0.5 * 10.0**-PLACES)
    return frozenset(
        f"{number * scale:.{places}f}"
        for value in values
        for number in (value, abs(value))
        for scale in (1, 100)
        for places in range(5)
    )
