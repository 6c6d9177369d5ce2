"""Treatments in the twelve months: dates as exactly as they are known, dose, and the member's own ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise

from flows.visit import words
from flows.visit.period import Period
from flows.visit.records import Row
from schemas.codes import code_list

# Spans at most so many days apart are one course of a treatment.
COURSE_GAP_DAYS = 30
# A treatment said to be current is doubtful if it was not confirmed for so long.
STALE_DAYS = 180
_CATEGORIES = (
    "medication",
    "physical_therapy",
    "exercise",
    "assistive_device",
    "diet_hydration",
    "rest_pacing",
    "other",
)


@dataclass(frozen=True)
class Bar:
    """What is drawn of a span: sure from `first` to `last`; it may have begun and ended anywhere in the known parts of its dates.

    `is_open` says that it is in use as far as is known, and was last confirmed on `last`.
    """

    earliest: date | None
    first: date
    last: date
    latest: date | None
    is_open: bool


@dataclass(frozen=True)
class Rating:
    """The member's latest rating for one purpose."""

    purpose: str | None
    effectiveness: str
    on: date | None


@dataclass(frozen=True)
class TreatmentLine:
    """One treatment: its courses in the period, and the latest of each thing the member says of it."""

    treatment_code: str
    category: str
    label: str
    dose: str | None
    dose_changed: str | None
    purposes: tuple[str, ...]
    purpose_codes: tuple[str, ...]
    is_current: bool
    confirmed_on: date | None
    is_stale: bool
    dates: tuple[str, ...]
    stopped: str | None
    stop_reasons: tuple[str, ...]
    bars: tuple[Bar, ...]
    ratings: tuple[Rating, ...]
    side_effects: str | None
    side_effects_on: date | None
    side_effect_names: tuple[str, ...]
    adherence: str | None
    burden: str | None


def treatment_lines(episodes: Sequence[Row], evaluations: Sequence[Row], period: Period) -> list[TreatmentLine]:
    """A line for each treatment that may have been in use in the period: current ones first, disease-modifying before others."""
    rated: dict[str, list[Row]] = {}
    for row in evaluations:
        rated.setdefault(row["treatment_code"], []).append(row)
    lines = []
    for code, found in groupby(episodes, key=lambda row: row["treatment_code"]):
        spans = sorted(found, key=lambda row: (row["started_on"] or date.min, _end(row) or date.max))
        if any(_may_be_in(row, period) for row in spans):
            lines.append(_line(code, spans, rated.get(code, []), period))
    return sorted(lines, key=_rank)


def _rank(line: TreatmentLine) -> tuple[bool, bool, int, str]:
    known = {entry.code: entry.class_name or "" for entry in code_list("treatment").codes}
    is_modifying = known.get(line.treatment_code, "").startswith("dmt_")
    place = _CATEGORIES.index(line.category) if line.category in _CATEGORIES else len(_CATEGORIES)
    return (not line.is_current, not is_modifying, place, line.label)


def _end(row: Row) -> date | None:
    return None if row["stopped_on"] is None else words.end_of(row["stopped_on"], row["stopped_on_precision"])


def _is_stopped(row: Row, period: Period) -> bool:
    """By the day of the sheet: a stop after it is not yet known then."""
    return bool(row["status"] == "stopped" if row["stopped_on"] is None else row["stopped_on"] <= period.end)


def _is_current(row: Row, period: Period) -> bool:
    """In use on the day of the sheet as far as is known; one that was stopped later was."""
    return not _is_stopped(row, period) and (row["status"] == "current" or row["stopped_on"] is not None)


def _may_be_in(row: Row, period: Period) -> bool:
    """Whether the span may reach into the period. Of a stop without a date the last confirmation decides."""
    end = _end(row)
    if end is not None:
        return end >= period.start
    if row["status"] == "current":
        return True
    return row["last_confirmed_on"] is None or row["last_confirmed_on"] >= period.start


def _line(code: str, spans: list[Row], ratings: list[Row], period: Period) -> TreatmentLine:
    courses = [course for course in _courses(spans) if any(_may_be_in(row, period) for row in course)]
    last = courses[-1][-1]
    is_stopped = _is_stopped(last, period)
    is_current = _is_current(last, period)
    confirmed_on = (
        last["last_confirmed_on"] if last["last_confirmed_on"] and last["last_confirmed_on"] <= period.end else None
    )
    sides = next((row for row in ratings if row["side_effect_severity"]), None)
    purposes = tuple(dict.fromkeys(code for row in courses[-1] for code in row["purpose_codes"]))
    return TreatmentLine(
        treatment_code=code,
        category=last["category"] or "other",
        label=words.label("treatment", code),
        dose=_dose(last),
        dose_changed=_dose_change(courses[-1], period),
        purposes=tuple(words.lower(words.label("symptom", purpose)) for purpose in purposes),
        purpose_codes=purposes,
        is_current=is_current,
        confirmed_on=confirmed_on if is_current else None,
        is_stale=is_current and (confirmed_on is None or (period.end - confirmed_on).days > STALE_DAYS),
        dates=tuple(_dates(course, period) for course in courses),
        stopped=_stop_words(last) if is_stopped else None,
        stop_reasons=tuple(last["stop_reasons"]) if is_stopped else (),
        bars=tuple(bar for course in courses for row in course if (bar := _bar(row, period))),
        ratings=_ratings(ratings),
        side_effects=sides["side_effect_severity"] if sides else None,
        side_effects_on=sides["evaluated_on"] if sides else None,
        side_effect_names=tuple(words.lower(words.label("symptom", c)) for c in sides["side_effect_codes"])
        if sides
        else (),
        adherence=next((row["adherence"] for row in ratings if row["adherence"]), None),
        burden=next((row["burden"] for row in ratings if row["burden"]), None),
    )


def _courses(spans: list[Row]) -> list[list[Row]]:
    """Spans at most 30 days apart are one course. A span without a start or an end cannot be joined to a later one by days."""
    courses: list[list[Row]] = []
    for row in spans:
        before = [_end(earlier) for earlier in courses[-1]] if courses else []
        ends = [end for end in before if end is not None]
        is_joined = bool(
            courses
            and row["started_on"]
            and (None in before or max(ends) + timedelta(days=COURSE_GAP_DAYS) >= row["started_on"])
        )
        if is_joined:
            courses[-1].append(row)
        else:
            courses.append([row])
    return courses


def _start_words(row: Row) -> str | None:
    return words.partial(row["started_on"], row["started_on_precision"])


def _stop_words(row: Row) -> str | None:
    return words.partial(row["stopped_on"], row["stopped_on_precision"])


def _dates(course: list[Row], period: Period) -> str:
    """From when to when, as exactly as it is known."""
    start, last = _start_words(course[0]), course[-1]
    if not _is_stopped(last, period):
        since = f"since {start}" if start else "start not stated"
        if _is_current(last, period):
            return since
        return f"{since}, whether still used is not stated"
    stop = _stop_words(last)
    return (
        f"{start or 'start not stated'} to {stop}"
        if stop
        else f"{'from ' + start if start else 'dates not stated'}, stopped, day not stated"
    )


def _dose(row: Row) -> str | None:
    """The dose or the amount of exercise, in words; None if neither is stated."""
    parts = []
    if row["dose_amount"] is not None:
        unit = words.DOSE_UNITS.get(row["dose_unit"], row["dose_unit"] or "(unit not stated)")
        parts.append(f"{row['dose_amount']:g} {unit} {words.DOSE_PERIODS.get(row['dose_period'], '')}".strip())
    if row["sessions_per_week"] is not None:
        parts.append(f"{row['sessions_per_week']:g} a week")
    if row["minutes_per_session"] is not None:
        parts.append(f"{row['minutes_per_session']} min")
    return ", ".join(parts) or None


def _dose_change(course: list[Row], period: Period) -> str | None:
    """When the dose last changed, if in the period, as exactly as that is known."""
    for earlier, later in reversed(list(pairwise(course))):
        if _dose(earlier) and _dose(later) and _dose(earlier) != _dose(later):
            at = later["started_on"]
            is_in = at and words.end_of(at, later["started_on_precision"]) >= period.start
            return f"dose changed {_start_words(later)}" if is_in else None
    return None


def _bar(row: Row, period: Period) -> Bar | None:
    """What can be drawn of a span within the period: nothing, if neither end nor a confirmation is known."""
    start, stop = row["started_on"], row["stopped_on"]
    known_until = (
        row["last_confirmed_on"] if row["last_confirmed_on"] and row["last_confirmed_on"] <= period.end else None
    )
    if start is None and stop is None and known_until is None:
        return None
    first = words.end_of(start, row["started_on_precision"]) if start else None
    last = stop or known_until or first
    if first is None or last is None or first > last:
        # The parts that are known overlap, or there is no start: what is sure is one day.
        first = last = last or first
    if first is None or last is None:
        return None
    latest = _end(row)
    is_open = stop is None and _is_current(row, period)
    if (period.end if is_open else latest or last) < period.start:
        return None
    return Bar(start, first, min(last, period.end), min(latest, period.end) if latest else None, is_open)


def _ratings(rows: list[Row]) -> tuple[Rating, ...]:
    """The latest rating for each purpose; rows come newest first."""
    latest: dict[str | None, Rating] = {}
    for row in rows:
        if row["effectiveness"] and row["purpose_code"] not in latest:
            purpose = row["purpose_code"]
            said: str = words.RATINGS.get(row["effectiveness"]) or row["effectiveness"]
            name = words.lower(words.label("symptom", purpose)) if purpose else None
            latest[purpose] = Rating(name, said, row["evaluated_on"])
    return tuple(latest.values())
