"""The published figures as pages read them: cells by table, each with its statistics."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.stages.release import Release

Figures = dict[str, Any]
SUBJECT_KINDS = ("symptom", "treatment", "instrument")


@dataclass(frozen=True, order=True)
class Subject:
    """The one thing a page is about: a symptom, a treatment or an instrument."""

    kind: str
    code: str

    @property
    def label(self) -> str:
        from schemas.codes import code_list

        return next((entry.label for entry in code_list(self.kind).codes if entry.code == self.code), self.code)

    @property
    def page(self) -> str:
        return f"{self.kind}-{slug(self.code)}.html"


@dataclass(frozen=True)
class Cell:
    """The patients of one cell: a row of the frame for each statistic about them."""

    topic: str
    table_id: str
    subject: Subject | None
    dimension_1: str
    value_1: str
    label_1: str
    dimension_2: str | None
    value_2: str | None
    label_2: str | None
    figures: dict[str, Figures] = field(default_factory=dict)

    def get(self, statistic: str) -> Figures | None:
        return self.figures.get(statistic)

    @property
    def is_about_subject(self) -> bool:
        """The subject is the line itself, not what the table of the line is about."""
        return self.subject == self.named

    @property
    def named(self) -> Subject | None:
        """The subject that the first dimension names, whatever the table is about."""
        return Subject(self.dimension_1, self.value_1) if self.dimension_1 in SUBJECT_KINDS else None


@dataclass(frozen=True)
class Frame:
    """The release, and its cells by table in the frame's order."""

    release: Release
    rows: list[Figures]
    tables: dict[str, list[Cell]]

    @classmethod
    def of(cls, release: Release) -> Frame:
        rows = release.frame.to_pylist()
        found: dict[tuple[Any, ...], Cell] = {}
        tables: dict[str, list[Cell]] = {}
        for row in rows:
            row["is_earlier"] = row["as_of_at"] != release.as_of_at or row["as_of_batch"] != release.as_of_batch
            names = ("table_id", "subject_kind", "subject", "dimension_1", "value_1", "dimension_2", "value_2")
            key = tuple(row[name] for name in names)
            if key not in found:
                is_known = row["subject_kind"] in SUBJECT_KINDS and row["subject"] is not None
                found[key] = Cell(
                    row["topic"],
                    row["table_id"],
                    Subject(row["subject_kind"], row["subject"]) if is_known else None,
                    row["dimension_1"],
                    row["value_1"],
                    row["label_1"],
                    row["dimension_2"],
                    row["value_2"],
                    row["label_2"],
                )
                tables.setdefault(row["table_id"], []).append(found[key])
            found[key].figures[row["statistic"]] = row
        return cls(release, rows, tables)

    def figure(self, name: str, value_1: str, value_2: str | None = None, statistic: str = "count") -> Figures | None:
        return next(
            (
                cell.get(statistic)
                for cell in self.tables.get(name, ())
                if cell.value_1 == value_1 and cell.value_2 == value_2
            ),
            None,
        )

    def firsts(self, name: str) -> list[tuple[str, str]]:
        """The values of the first dimension with their labels, in the frame's order."""
        return list(dict.fromkeys((cell.value_1, cell.label_1) for cell in self.tables.get(name, ())))

    @cached_property
    def pages(self) -> frozenset[Subject]:
        """Every subject that a row is about: each has a page."""
        return frozenset(c.subject for cells in self.tables.values() for c in cells if c.subject is not None)

    def subjects(self, kind: str) -> list[Subject]:
        """The subjects of that kind, by label."""
        return sorted((s for s in self.pages if s.kind == kind), key=lambda s: (s.label.casefold(), s.code))

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


def slug(text: str) -> str:
    """The text as part of a file's name: what is no letter or digit of ASCII becomes a hyphen."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "unnamed"


def day(moment: Any) -> str:
    """A date as people write it: 1 October 2025."""
    return f"{moment.day} {moment:%B %Y}"
