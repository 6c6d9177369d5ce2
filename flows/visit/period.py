"""The twelve months of a sheet, and what is compared with what in them."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, TypeVar


class Dated(Protocol):
    """Something that was reported on a day."""

    @property
    def on(self) -> date: ...


Point = TypeVar("Point", bound=Dated)

# "About a year ago" is at most so many days from it, and at least so many days before what it is compared with.
NEAR_DAYS, APART_DAYS = 90, 180


@dataclass(frozen=True)
class Period:
    """Twelve months, both ends included; `end` is the day of the sheet."""

    start: date
    end: date

    @classmethod
    def up_to(cls, end: date) -> Period:
        """The twelve months that end with a day."""
        return cls(_a_year_before(end) + timedelta(days=1), end)

    @property
    def before(self) -> Period:
        """The twelve months before these."""
        return Period.up_to(self.start - timedelta(days=1))

    @property
    def since(self) -> date:
        """The first day from which a record may be what a later one is compared with."""
        return self.start - timedelta(days=NEAR_DAYS)

    @property
    def day_count(self) -> int:
        return (self.end - self.start).days + 1

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    def place(self, day: date) -> int:
        """Days from the start; less than 0 or more than `day_count` outside."""
        return (day - self.start).days


def _a_year_before(day: date) -> date:
    last = calendar.monthrange(day.year - 1, day.month)[1]
    return date(day.year - 1, day.month, min(day.day, last))


def then_and_now(points: Sequence[Point], period: Period) -> tuple[Point | None, Point | None]:
    """The report about a year ago, and the latest one; either is None if there is none.

    The latest lies in the period. The one about a year ago is the nearest to the period's first day, at most NEAR_DAYS
    away, of two the earlier, and at least APART_DAYS before the latest.
    """
    current = [point for point in points if point.on in period]
    if not current:
        return None, None
    now = max(current, key=lambda point: point.on)
    earlier = [
        point
        for point in points
        if abs((point.on - period.start).days) <= NEAR_DAYS and (now.on - point.on).days >= APART_DAYS
    ]
    then = min(earlier, key=lambda point: (abs((point.on - period.start).days), point.on), default=None)
    return then, now
