"""Falls, physical activity and activities of daily life in the twelve months."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from statistics import median

from flows.visit import words
from flows.visit.period import NEAR_DAYS, Period, then_and_now
from flows.visit.records import Row
from flows.visit.symptoms import Level

INACTIVITY_REASONS = {
    "fatigue": "fatigue",
    "pain": "pain",
    "weakness": "weakness",
    "fear_of_falling": "fear of falling",
    "access": "no access",
    "other": "another reason",
}


@dataclass(frozen=True)
class FallCount:
    """Falls over the days that reports cover; a column that was never reported is None."""

    falls: int
    injurious: int | None
    near: int | None
    day_count: int


@dataclass(frozen=True)
class FallPeriod:
    """One report of falls."""

    start: date
    end: date
    falls: int


@dataclass(frozen=True)
class Falls:
    """Falls of these twelve months and of the twelve before; a year without a report is None, which is not zero."""

    now: FallCount | None
    then: FallCount | None
    periods: tuple[FallPeriod, ...]
    overlapping_count: int


@dataclass(frozen=True)
class ActiveWeek:
    """Minutes of activity in the seven days from that day."""

    start: date
    minutes: int


@dataclass(frozen=True)
class Activity:
    """Medians of the weeks in the last 90 days, and in the 90 days up to a year ago."""

    weeks: tuple[ActiveWeek, ...]
    then: float | None
    then_count: int
    now: float | None
    now_count: int
    sedentary_hours: float | None
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class LimitationLine:
    """One activity of daily life; a positive change is more difficulty."""

    activity_code: str
    label: str
    then: Level | None
    now: Level
    change: int | None
    help: str | None


def falls(rows: Sequence[Row], period: Period) -> Falls:
    """A report counts in the year in which its period ends. Of periods that overlap the one that ends later counts.

    One that ends on the day on which the next begins, as some sources write months, does not overlap it.
    """
    kept: list[Row] = []
    overlapping = 0
    for row in sorted(rows, key=lambda row: (row["period_ended_on"], row["period_started_on"]), reverse=True):
        if kept and row["period_ended_on"] > kept[-1]["period_started_on"]:
            overlapping += 1
        else:
            kept.append(row)
    now = [row for row in kept if row["period_ended_on"] in period]
    then = [row for row in kept if row["period_ended_on"] in period.before]
    periods = tuple(FallPeriod(r["period_started_on"], r["period_ended_on"], r["fall_count"]) for r in reversed(now))
    return Falls(_fall_count(now), _fall_count(then), periods, overlapping)


def _fall_count(rows: list[Row]) -> FallCount | None:
    if not rows:
        return None

    def total(name: str) -> int | None:
        said = [row[name] for row in rows if row[name] is not None]
        return sum(said) if said else None

    days = {
        row["period_started_on"] + timedelta(days=n)
        for row in rows
        for n in range((row["period_ended_on"] - row["period_started_on"]).days + 1)
    }
    return FallCount(
        sum(row["fall_count"] for row in rows), total("injurious_fall_count"), total("near_fall_count"), len(days)
    )


def activity(rows: Sequence[Row], period: Period) -> Activity:
    """Weeks with minutes; the reasons for being inactive by how many weeks of the twelve months name them."""
    weeks = tuple(
        ActiveWeek(row["week_starting_on"], row["active_minutes"])
        for row in rows
        if row["active_minutes"] is not None and row["week_starting_on"] in period
    )
    recent_from, year_ago = period.end - timedelta(days=NEAR_DAYS), period.start
    recent = [row for row in rows if recent_from < row["week_starting_on"] <= period.end]
    earlier = [row for row in rows if year_ago - timedelta(days=NEAR_DAYS) <= row["week_starting_on"] < year_ago]
    now, then = _values(recent, "active_minutes"), _values(earlier, "active_minutes")
    sitting = _values(recent, "sedentary_hours_per_day")
    reasons = Counter(
        reason for row in rows if row["week_starting_on"] in period for reason in set(row["inactivity_reasons"])
    )
    return Activity(
        weeks,
        median(then) if then else None,
        len(then),
        median(now) if now else None,
        len(now),
        median(sitting) if sitting else None,
        tuple((INACTIVITY_REASONS[r], n) for r, n in sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
    )


def _values(rows: list[Row], name: str) -> list[float]:
    return [row[name] for row in rows if row[name] is not None]


def limitation_lines(rows: Sequence[Row], period: Period) -> list[LimitationLine]:
    """A line for each activity reported in the period, those that changed and the hardest first."""
    lines = []
    for code, found in groupby(rows, key=lambda row: row["activity_code"]):
        series = list(found)
        levels = [Level(row["reported_on"], row["difficulty"], words.DIFFICULTIES[row["difficulty"]]) for row in series]
        then, now = then_and_now(levels, period)
        if now is None:
            continue
        aid = next(row["help"] for row in series if row["reported_on"] == now.on)
        change = None if then is None else now.level - then.level
        help_words = {"device": "with a device", "person": "with a person's help", "both": "with a device and help"}
        lines.append(LimitationLine(code, words.label("activity", code), then, now, change, help_words.get(aid)))
    return sorted(lines, key=lambda line: (-abs(line.change or 0), -line.now.level, line.label))
