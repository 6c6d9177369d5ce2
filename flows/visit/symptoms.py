"""Severities: one line a symptom, muscle weakness one line a part of the body, each over the twelve months."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from flows.visit import words
from flows.visit.period import Period, then_and_now
from flows.visit.records import Row

WEAKNESS, FATIGUE = "muscle_weakness", "fatigue"
_REGION_ORDER = ("legs", "arms_hands", "torso", "face", "whole_body", "unknown")


@dataclass(frozen=True)
class Level:
    """An ordered level on a day: a severity of 0 to 3, or a difficulty of 0 to 4."""

    on: date
    level: int
    word: str


@dataclass(frozen=True)
class Week:
    """The worst report of seven days; `ends_before` counts weeks back from the day of the sheet."""

    ends_before: int
    level: int


@dataclass(frozen=True)
class SymptomLine:
    """One symptom, or one part of the body that is weak. Levels are severities; a positive change is a worsening."""

    symptom_code: str
    body_region: str | None
    label: str
    side: str | None
    report_count: int
    weeks: tuple[Week, ...]
    then: Level | None
    now: Level
    worst: int
    change: int | None
    is_new: bool

    @property
    def change_words(self) -> str:
        if self.change is not None:
            return words.steps(self.change)
        return "new" if self.is_new else "–"


@dataclass(frozen=True)
class WeaknessView:
    """What the member makes of their weakness, in the days with some of it."""

    cause: str | None
    cause_on: date | None
    heat_count: int
    heat_of: int
    exertion_count: int
    exertion_of: int


def symptom_lines(days: Sequence[Row], period: Period) -> list[SymptomLine]:
    """A line for each symptom with a report in the period: weakness by part of the body, fatigue, then the most severe.

    `days` are sorted by symptom, part of the body and day.
    """
    lines: list[SymptomLine] = []
    # Of who began to report in the period everything would be new.
    has_reported_before = any(row["first_on"] < period.start for row in days)
    for code, found in groupby(days, key=lambda row: row["symptom_code"]):
        rows = list(found)
        if code == WEAKNESS:
            for region, part in groupby(rows, key=lambda row: row["body_region"]):
                lines += _line(code, region, list(part), period, has_reported_before)
        else:
            lines += _line(code, None, rows, period, has_reported_before)
    return sorted(lines, key=_rank)


def _rank(line: SymptomLine) -> tuple[int, int, int, int, str]:
    if line.symptom_code == WEAKNESS:
        return (0, _REGION_ORDER.index(line.body_region or "unknown"), 0, 0, line.label)
    return (1 if line.symptom_code == FATIGUE else 2, -line.now.level, -line.worst, -(line.change or 0), line.label)


def _line(
    code: str, region: str | None, rows: list[Row], period: Period, has_reported_before: bool
) -> Iterable[SymptomLine]:
    """One line, or none without a report in the period. Of several parts of the body on one day the worst counts."""
    worst: dict[date, int] = {}
    for row in rows:
        worst[row["reported_on"]] = max(worst.get(row["reported_on"], 0), row["severity"])
    levels = [Level(on, worst[on], words.SEVERITIES[worst[on]]) for on in sorted(worst)]
    then, now = then_and_now(levels, period)
    if now is None:
        return
    current = [level for level in levels if level.on in period]
    first_on = min(row["first_on"] for row in rows)
    yield SymptomLine(
        symptom_code=code,
        body_region=region,
        label=_label(code, region),
        side=_side(rows, now.on),
        report_count=len(current),
        weeks=_weeks(current, period),
        then=then,
        now=now,
        worst=max(level.level for level in current),
        change=None if then is None else now.level - then.level,
        is_new=has_reported_before and first_on in period and now.level > 0,
    )


def _label(code: str, region: str | None) -> str:
    if region is None:
        return words.label("symptom", code)
    return f"Weakness: {words.REGIONS[region]}"


def _side(rows: list[Row], on: date) -> str | None:
    """The side of the body on that day, if it was one: left, right or both sides."""
    sides = {side for row in rows if row["reported_on"] == on for side in row["sides"] or ()}
    if not sides & {"left", "right", "both"}:
        return None
    return next(iter(sides)) if sides in ({"left"}, {"right"}) else "both"


def _weeks(levels: Iterable[Level], period: Period) -> tuple[Week, ...]:
    worst: dict[int, int] = {}
    for level in levels:
        week = (period.end - level.on).days // 7
        worst[week] = max(worst.get(week, 0), level.level)
    return tuple(Week(week, worst[week]) for week in sorted(worst, reverse=True))


def weakness_view(days: Sequence[Row], period: Period) -> WeaknessView | None:
    """The latest cause the member names for their weakness, and on how many days heat or exertion made it worse."""
    weak = [row for row in days if row["symptom_code"] == WEAKNESS and row["severity"] and row["reported_on"] in period]
    if not weak:
        return None
    named = [row for row in weak if set(row["causes"] or ()) - {"unknown"}]
    cause_on = max((row["reported_on"] for row in named), default=None)
    causes = {cause for row in named if row["reported_on"] == cause_on for cause in row["causes"]} - {"unknown"}
    cause = "both" if len(causes) > 1 else next(iter(causes), None)

    def on_days(name: str, *values: bool) -> int:
        return len({row["reported_on"] for row in weak if row[name] in values})

    return WeaknessView(
        words.CAUSES[cause] if cause else None,
        cause_on,
        on_days("is_worse_with_heat", True),
        on_days("is_worse_with_heat", True, False),
        on_days("is_worse_after_exertion", True),
        on_days("is_worse_after_exertion", True, False),
    )
