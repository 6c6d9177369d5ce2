"""The visit sheet as one HTML file: no script, nothing fetched, and on paper exactly one sheet, A4 or Letter.

One sheet holds so many lines (`visit_fitting`); what has none is named or counted in a note, never left out without a word. Drawings are shapes in days of the period, stretched to the column's width; words stand outside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from importlib.resources import files

from flows.pages.visit_fitting import Room, Wording, fit
from flows.visit import words
from flows.visit.life import Activity, Falls
from flows.visit.period import APART_DAYS, NEAR_DAYS, Period
from flows.visit.scores import ScoreLine
from flows.visit.sheet import Sheet
from flows.visit.symptoms import SymptomLine
from flows.visit.treatments import TreatmentLine

_MOST_NAMES, _MOST_LIMITATIONS, _MOST_SOURCES, _MOST_RELAPSES = 8, 6, 6, 3
_HEIGHT = 14.0
# Heights differ as well as colours, so that nothing depends on seeing the latter; "none" is a flat tick, no report is a gap.
_LEVEL_HEIGHTS = (1.6, 5.0, 9.5, 14.0)


@dataclass(frozen=True)
class Box:
    """A rectangle: x in days from the start of the period, y from the top; `kind` is its class in the style sheet."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True)
class Tick:
    """The first of a month, as a part of the period's width."""

    share: float
    day: int
    month: str
    year: str


def to_html(sheet: Sheet) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("flows.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = files("flows.pages").joinpath("templates", "visit.css").read_text(encoding="utf-8")
    life, changed = list(_life_notes(sheet)), list(_changed(sheet))
    facts = f"As stated by the member: {'; '.join(sheet.facts)}." if sheet.facts else ""
    footer = _footer(sheet)
    life_rows = bool(sheet.falls.now or sheet.falls.then) + bool(sheet.activity.weeks)
    room = fit(
        Wording(
            facts=facts,
            caveat=sheet.caveat,
            changed=[said for _, said in changed],
            symptom_count=len(sheet.symptoms),
            symptom_notes=lambda room: " ".join(_symptom_notes(sheet, room)),
            life_row_count=life_rows,
            life_notes=" ".join(life),
            score_count=len(sheet.scores),
            score_notes=lambda room: " ".join(_score_notes(sheet, room)),
            treatments=[(treatment_use(t), f"{treatment_dates(t)} {treatment_view(t)}") for t in sheet.treatments],
            treatment_notes=lambda room: " ".join(_treatment_notes(sheet, room)),
            questions=[(question.text, question.rule) for question in sheet.questions],
            footer=footer,
        )
    )
    page = templates.get_template("visit.html").render(
        sheet=sheet,
        css=css,
        size=f"{room.size_pt:g}pt",
        ticks=ticks(sheet.period),
        facts=facts,
        footer=footer,
        changed=changed,
        symptoms=sheet.symptoms[: room.symptoms],
        symptom_notes=list(_symptom_notes(sheet, room)),
        life=life,
        scores=sheet.scores[: room.scores],
        score_notes=list(_score_notes(sheet, room)),
        treatments=sheet.treatments[: room.treatments],
        treatment_notes=list(_treatment_notes(sheet, room)),
        questions=sheet.questions[: room.questions],
        questions_left=len(sheet.questions) - room.questions,
        severity_boxes=severity_boxes,
        fall_boxes=fall_boxes,
        activity_boxes=activity_boxes,
        treatment_boxes=treatment_boxes,
        treatment_use=treatment_use,
        treatment_dates=treatment_dates,
        treatment_view=treatment_view,
        score_line=score_line,
        score_value=score_value,
        fall_words=fall_words,
        height=_HEIGHT,
        level_heights=_LEVEL_HEIGHTS,
        severities=words.SEVERITIES,
        day=words.day,
        counted=words.counted,
    )
    # A number stays on one line with what it counts.
    return re.sub(r"(?<=\d) (?=(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4})", "\u00a0", page)


def ticks(period: Period) -> list[Tick]:
    """The first day of every month in the period."""
    days = (period.start + timedelta(days=n) for n in range(period.day_count))
    return [
        Tick(period.place(day) / period.day_count, period.place(day), f"{day:%b}", str(day.year))
        for day in days
        if day.day == 1
    ]


def severity_boxes(line: SymptomLine, period: Period) -> list[Box]:
    """A bar for every week with a report, as high and as dark as its worst one."""
    return [
        Box(
            period.day_count - 7 * (week.ends_before + 1) + 1,
            _HEIGHT - _LEVEL_HEIGHTS[week.level],
            5,
            _LEVEL_HEIGHTS[week.level],
            f"ramp-{week.level}",
        )
        for week in line.weeks
        if 7 * week.ends_before < period.day_count
    ]


def fall_boxes(found: Falls, period: Period) -> list[Box]:
    """A bar for every report, as wide as its period and as high as its falls; a flat tick for none."""
    most = max((p.falls for p in found.periods), default=0)
    boxes = []
    for p in found.periods:
        x = max(period.place(p.start), 0)
        height = _HEIGHT * p.falls / most if p.falls else _LEVEL_HEIGHTS[0]
        width = max(period.place(p.end) + 1 - x - 2, 2)
        boxes.append(Box(x + 1, _HEIGHT - height, width, height, "count" if p.falls else "ramp-0"))
    return boxes


def activity_boxes(found: Activity, period: Period) -> list[Box]:
    """A bar for every reported week, as high as its minutes."""
    most = max((week.minutes for week in found.weeks), default=0) or 1
    boxes = []
    for week in found.weeks:
        height = max(_HEIGHT * week.minutes / most, _LEVEL_HEIGHTS[0])
        boxes.append(
            Box(period.place(week.start) + 1, _HEIGHT - height, 5, height, "count" if week.minutes else "ramp-0")
        )
    return boxes


def treatment_boxes(line: TreatmentLine, period: Period) -> list[Box]:
    """Sure parts of spans full, parts in which they began or ended somewhere thin, the time since the last word open."""
    boxes = []
    for bar in line.bars:
        parts = [(bar.earliest, bar.first, "maybe"), (bar.first, bar.last, "sure")]
        if bar.latest:
            parts.append((bar.last, bar.latest, "maybe"))
        elif bar.is_open:
            parts.append((bar.last, period.end, "open"))
        for first, last, kind in parts:
            if first is None or last is None or last < period.start or first > period.end:
                continue
            x, end = max(period.place(first), 0), min(period.place(last) + 1, period.day_count)
            if kind != "sure" and first == last:
                continue
            y, height = (1.5, 4.4) if kind == "sure" else (2.7, 2.0)
            boxes.append(Box(x, y, max(end - x, 1.5), height, kind))
    return boxes


@dataclass(frozen=True)
class Curve:
    """Scores as a line with its points, and the band of measurement error about the score of a year ago, if one is known."""

    path: str
    dots: tuple[tuple[float, float], ...]
    band: Box | None
    then_y: float | None


def score_line(line: ScoreLine, period: Period) -> Curve:
    """Higher scores stand higher, whichever end is the worse one."""
    reach = line.high - line.low or Fraction(1)

    def y(value: Fraction) -> float:
        return round(float((line.high - value) / reach) * (_HEIGHT - 2) + 1, 2)

    dots = tuple((period.place(point.on) + 0.5, y(point.value)) for point in line.points)
    path = " ".join(f"{'L' if n else 'M'}{x:g} {top:g}" for n, (x, top) in enumerate(dots))
    band = None
    if line.change and line.change.mdc is not None and line.then:
        top = max(y(line.then.value + line.change.mdc), 0.0)
        bottom = min(y(line.then.value - line.change.mdc), _HEIGHT)
        band = Box(0, top, period.day_count, bottom - top, "band")
    return Curve(path, dots, band, y(line.then.value) if line.then else None)


def score_value(line: ScoreLine, value: Fraction) -> str:
    return words.number(value, line.places)


def treatment_use(line: TreatmentLine) -> str:
    """What it is used for, and how much of it."""
    parts = [line.dose or "", f"for {words.listed(line.purposes, 2)}" if line.purposes else ""]
    return ", ".join(part for part in parts if part) or "purpose and dose not stated"


def treatment_dates(line: TreatmentLine) -> str:
    """From when to when, as exactly as it is known, and how sure it is that it is still in use."""
    said = "; ".join(line.dates[-2:])
    if len(line.dates) > 2:
        said += f" and {words.counted(len(line.dates) - 2, 'earlier course')}"
    if line.stop_reasons:
        said += f" (stopped: {words.listed((words.STOP_REASONS[reason] for reason in line.stop_reasons), 2)})"
    if line.is_current:
        said += f", confirmed {words.day(line.confirmed_on)}" if line.confirmed_on else ", never confirmed"
    return f"{said}, {line.dose_changed}." if line.dose_changed else f"{said}."


def treatment_view(line: TreatmentLine) -> str:
    """The member's own ratings; purposes that are rated alike on one day stand together."""
    alike: dict[tuple[str, date | None], list[str]] = {}
    for rating in line.ratings:
        alike.setdefault((rating.effectiveness, rating.on), []).append(rating.purpose or "")
    said = []
    for (effectiveness, on), purposes in list(alike.items())[:2]:
        named = words.listed(filter(None, purposes), 2)
        said.append(f"own rating{' for ' + named if named else ''}: {effectiveness}{_on(on)}")
    if len(alike) > 2:
        said.append(f"{len(alike) - 2} more ratings")
    if line.side_effects:
        named = f" ({words.listed(line.side_effect_names, 2)})" if line.side_effect_names else ""
        # The date is said once if both were rated together.
        when = "" if line.ratings and line.ratings[0].on == line.side_effects_on else _on(line.side_effects_on)
        said.append(f"side effects rated {line.side_effects}{named}{when}")
    if line.adherence:
        said.append(f"used as intended: {line.adherence}")
    text = "; ".join(said) or "not rated"
    return f"{text[:1].upper()}{text[1:]}."


def _on(day: date | None) -> str:
    return f" ({words.day(day)})" if day else ""


def fall_words(found: Falls, which: str) -> str:
    """One year's falls with the days that reports cover."""
    count = found.now if which == "now" else found.then
    if count is None:
        return "no report"
    return f"{words.counted(count.falls, 'fall')} in {count.day_count} days"


def _changed(sheet: Sheet) -> Iterable[tuple[str, str]]:
    """The lines of `What changed`, each with its heading."""
    found = sheet.summary
    if found.worse:
        yield "Worse", words.listed(found.worse, _MOST_NAMES)
    if found.better:
        yield "Better", words.listed(found.better, _MOST_NAMES)
    if found.new:
        yield "New", words.listed(found.new, _MOST_NAMES)
    rest = []
    if found.unchanged_count:
        rest.append(f"{found.unchanged_count} {'severity' if found.unchanged_count == 1 else 'severities'} unchanged")
    if found.not_comparable_count:
        rest.append(f"{found.not_comparable_count} without a report of about a year ago")
    if rest:
        yield "Else", ", ".join(rest)
    if found.scores:
        yield "Scores", words.listed(found.scores, 4)


def _symptom_notes(sheet: Sheet, room: Room) -> Iterable[str]:
    """Symptoms without a line of their own, and what the member makes of their weakness."""
    rest = sheet.symptoms[room.symptoms :]
    if rest:
        named = [f"{words.lower(line.label)} {line.now.word}" for line in rest]
        yield f"Also reported, as of the latest report: {words.listed(named, _MOST_NAMES)}."
    if sheet.always_none:
        yield f"Reported as none throughout: {words.listed(map(words.lower, sheet.always_none), _MOST_NAMES)}."
    view = sheet.weakness_view
    if view:
        said = []
        if view.cause and view.cause_on:
            said.append(f"cause in the member's own view: {view.cause} ({words.day(view.cause_on)})")
        if view.heat_of:
            said.append(f"worse with heat on {view.heat_count} of {view.heat_of} days asked")
        if view.exertion_of:
            said.append(f"after exertion on {view.exertion_count} of {view.exertion_of}")
        if said:
            yield f"Weakness: {'; '.join(said)}."


def _life_notes(sheet: Sheet) -> Iterable[str]:
    """What stands under falls and activity."""
    now = sheet.falls.now
    if now and (now.injurious is not None or now.near is not None):
        said = [f"{now.injurious} with an injury"] if now.injurious is not None else []
        said += [words.counted(now.near, "near fall")] if now.near is not None else []
        yield f"Of these 12 months: {', '.join(said)}."
    if sheet.falls.overlapping_count:
        yield f"{words.counted(sheet.falls.overlapping_count, 'report')} of falls over days already covered not counted."
    if sheet.activity.sedentary_hours is not None:
        yield f"Sitting or lying: {sheet.activity.sedentary_hours:g} hours a day (median, last 90 days)."
    if sheet.activity.reasons:
        named = [f"{reason} ({words.counted(count, 'week')})" for reason, count in sheet.activity.reasons]
        yield f"Kept from activity by: {words.listed(named, 3)}."
    shown = [line for line in sheet.limitations if line.now.level or line.change]
    if shown:
        named = []
        for line in shown[:_MOST_LIMITATIONS]:
            was = f" (was {line.then.word})" if line.change and line.then else ""
            named.append(f"{words.lower(line.label)} {line.now.word}{was}")
        more = f" and {len(shown) - _MOST_LIMITATIONS} more" if len(shown) > _MOST_LIMITATIONS else ""
        yield f"Difficulty in daily life: {', '.join(named)}{more}."
    if sheet.relapses:
        yield f"Relapses reported: {'; '.join(sheet.relapses[:_MOST_RELAPSES])}" + (
            f" and {len(sheet.relapses) - _MOST_RELAPSES} more." if len(sheet.relapses) > _MOST_RELAPSES else "."
        )


def _score_notes(sheet: Sheet, room: Room) -> Iterable[str]:
    """Scores for which there was no room, and answers of which no score can be had."""
    if left := sheet.scores[room.scores :]:
        named = [
            f"{line.label} {words.number(line.now.value, line.places)} ({words.day(line.now.on)})" for line in left
        ]
        yield f"Other scores, the latest: {words.listed(named, _MOST_NAMES)}."
    if sheet.unscored_count:
        yield f"{words.counted(sheet.unscored_count, 'questionnaire')} with too few answers to be scored."


def _treatment_notes(sheet: Sheet, room: Room) -> Iterable[str]:
    """Treatments for which there was no room."""
    if left := sheet.treatments[room.treatments :]:
        named = [f"{words.lower(line.label)} ({line.dates[-1]})" for line in left]
        yield f"Other treatments: {words.listed(named, _MOST_NAMES)}."


def _footer(sheet: Sheet) -> str:
    """How things are compared, from where thresholds are, and what the sheet stands on."""
    said = [
        f"About a year ago: the report nearest to {words.day(sheet.period.start)}, {NEAR_DAYS} days away at most and {APART_DAYS} days before the latest at least.",
        "A severity step is one of none, mild, moderate, severe; steps have no MDC.",
        "A change below the MDC is within measurement error, whatever the MID says.",
    ]
    if found := sheet.threshold_sources:
        more = f"; and {len(found) - _MOST_SOURCES} more" if len(found) > _MOST_SOURCES else ""
        said.append(f"Thresholds: {'; '.join(found[:_MOST_SOURCES])}{more}.")
    if sheet.has_own_words:
        said.append("* the member's own word, in no code list.")
    batch = f", up to batch {sheet.batch_id}" if sheet.batch_id else ""
    said.append(f"Source: {sheet.source_description}{batch}; made on {words.day(sheet.made_at.date())}.")
    return " ".join(said)
