"""Scores of instruments, and how a change of one is read: against its measurement error (MDC) first, then its MID."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import groupby
from typing import Literal

from flows.visit import words
from flows.visit.period import Period, then_and_now
from flows.visit.records import Row
from schemas.instruments import Instrument, Scale, Threshold, instrument, score

Reading = Literal["no change", "within error", "beyond error", "error not known", "confirmed", "not confirmed"]

CONFIRMING_DAYS = 90
# A score of the source that differs by more from our own rule's is said to differ.
SOURCE_TOLERANCE = Fraction(1, 2)
_FIRST = ("msws_12", "t25fw", "pdds", "mfis", "mfis_5", "fss", "neuro_qol_fatigue", "promis_fatigue", "msis_29")
_SHORT_NAMES = {"nine_hpt": "9HPT", "mood": "Daily mood"}
_ABBREVIATION_LENGTH = 8


@dataclass(frozen=True)
class ScorePoint:
    """A score on a day; `note` says in what it is less than our own rule on complete answers."""

    on: date
    value: Fraction
    note: str | None = None


@dataclass(frozen=True)
class Change:
    """A change between two scores, and how it reads. `sentence` is what the sheet says."""

    value: Fraction
    text: str
    reading: Reading
    direction: Literal["worse", "better", "higher", "lower", "none"]
    mdc: Fraction | None
    mid: Fraction | None
    is_mid_reached: bool | None
    sentence: str
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True)
class ScoreLine:
    """One scale of one version of one instrument, answered by the member or by a proxy."""

    instrument_code: str
    version: str | None
    scale: str
    label: str
    range_words: str
    is_proxy: bool
    places: int
    low: Fraction
    high: Fraction
    points: tuple[ScorePoint, ...]
    then: ScorePoint | None
    now: ScorePoint
    change: Change | None
    notes: tuple[str, ...]


def score_lines(rows: Sequence[Row], period: Period, relapses: Sequence[Row] = ()) -> list[ScoreLine]:
    """A line for each score with a value in the period; versions are never mixed, nor a proxy's answers with the member's."""
    shaken = [
        (row["started_on"], words.end_of(row["started_on"], row["started_on_precision"]) + timedelta(CONFIRMING_DAYS))
        for row in relapses
    ]
    lines = []
    for (code, version, is_proxy), found in groupby(
        rows, key=lambda row: (row["instrument_code"], row["instrument_version"], row["is_proxy"])
    ):
        series = list(found)
        known = _known(code)
        for scale in _scales(known):
            points = [point for row in series if (point := _point(row, known, scale))]
            then, now = then_and_now(points, period)
            if now is not None:
                steady = [p for p in points if not any(first <= p.on <= last for first, last in shaken)]
                change = read_change(then, now, known, scale, steady) if then else None
                lines.append(_line(code, version, is_proxy, known, scale, points, then, now, change, period))
    return sorted(lines, key=_rank)


def unscored_count(rows: Sequence[Row], period: Period) -> int:
    """Completions in the period of which no score can be had."""
    return sum(
        not any(_point(row, _known(row["instrument_code"]), scale) for scale in _scales(_known(row["instrument_code"])))
        for row in rows
        if row["assessed_on"] in period
    )


def _rank(line: ScoreLine) -> tuple[int, bool, str, str]:
    code = line.instrument_code
    place = _FIRST.index(code) if code in _FIRST else len(_FIRST) + words.is_own_word(code)
    return (place, line.is_proxy, code, line.scale)


def _known(code: str) -> Instrument | None:
    return None if words.is_own_word(code) else instrument(code)


def _scales(known: Instrument | None) -> list[Scale | None]:
    """The scale the instrument is known by; where there is none, each; of an unknown one the source's score."""
    if known is None:
        return [None]
    return [known.scales[known.source_scale]] if known.source_scale else list(known.scales.values())


def _point(row: Row, known: Instrument | None, scale: Scale | None) -> ScorePoint | None:
    """The score of one completion: by our own rule from the answers, else as the source gives it, with a note.

    The one place that says where a score comes from. `core.score`, which tests hold to the same rule, scores everybody's answers
    in one go: for one member of millions that would take seconds.
    """
    given = row["source_score"]
    exact = None if given is None else Fraction(str(given))
    if known is not None and scale is not None and row["item_responses"]:
        own = score(known.code, row["instrument_version"], scale.name, row["item_responses"])
        if own.is_scorable and own.value is not None:
            differs = (
                exact is not None and scale.name == known.source_scale and abs(own.value - exact) > SOURCE_TOLERANCE
            )
            note = "items left out" if own.is_prorated else "the source scores it otherwise" if differs else None
            return ScorePoint(row["assessed_on"], own.value, note)
    if exact is None or (known is not None and (scale is None or scale.name != known.source_scale)):
        return None
    is_own_rule_missing = known is None or (scale is not None and scale.method != "source_only")
    return ScorePoint(row["assessed_on"], exact, "as the source scores it" if is_own_rule_missing else None)


def _line(
    code: str,
    version: str | None,
    is_proxy: bool,
    known: Instrument | None,
    scale: Scale | None,
    points: list[ScorePoint],
    then: ScorePoint | None,
    now: ScorePoint,
    change: Change | None,
    period: Period,
) -> ScoreLine:
    current = tuple(point for point in points if point.on in period)
    low, high = _extent(scale, [*current, *([then] if then else [])])
    shown = [point for point in (then, now) if point is not None]
    return ScoreLine(
        instrument_code=code,
        version=version,
        scale=scale.name if scale else "score",
        label=_label(code, known, scale),
        range_words=_range_words(known, scale),
        is_proxy=is_proxy,
        places=places_of(scale),
        low=low,
        high=high,
        points=current,
        then=then,
        now=now,
        change=change,
        notes=tuple(dict.fromkeys(point.note for point in shown if point.note)),
    )


def _extent(scale: Scale | None, points: Sequence[ScorePoint]) -> tuple[Fraction, Fraction]:
    """What the drawing reaches over: the scale's range; of a measured value, which hardly uses its range, its own."""
    if scale is not None and scale.method != "source_only":
        return Fraction(scale.minimum), Fraction(scale.maximum)
    low, high = min(p.value for p in points), max(p.value for p in points)
    room = (high - low or abs(high) or Fraction(1)) / 4
    return low - room, high + room


def places_of(scale: Scale | None) -> int:
    """In how many places a score is said: the finer, the smaller its range; measured values as they are measured."""
    if scale is None:
        return 2
    reach = scale.maximum - scale.minimum
    return 3 if reach <= 2 else 2 if reach <= 10 or scale.method == "source_only" else 1


def _label(code: str, known: Instrument | None, scale: Scale | None) -> str:
    if known is None or scale is None:
        return words.label("instrument", code)
    is_short = len(code) <= _ABBREVIATION_LENGTH
    name = _SHORT_NAMES.get(code) or (code.upper().replace("_", "-") if is_short else known.name)
    return name if known.source_scale else f"{name} {scale.name}"


def _range_words(known: Instrument | None, scale: Scale | None) -> str:
    if known is None or scale is None:
        return "range not known"
    direction = {"higher_worse": "higher is worse", "higher_better": "higher is better"}.get(
        known.direction, "which end is better is not known"
    )
    if scale.method == "source_only":
        return f"in {known.unit}, {direction}" if known.unit != "points" else direction
    return f"{words.number(Fraction(scale.minimum))} to {words.number(Fraction(scale.maximum))}, {direction}"


def read_change(
    then: ScorePoint, now: ScorePoint, known: Instrument | None, scale: Scale | None, points: Iterable[ScorePoint] = ()
) -> Change:
    """How a change reads. A change of exactly a threshold reaches it; all is compared exactly, never in floating point.

    Below the minimal detectable change it is within measurement error, whatever the MID says; where no MDC is known, that
    is said, and a change is never called beyond error.
    """
    thresholds = {entry.name: entry for entry in scale.thresholds} if scale else {}
    before, after = _comparable(then.value, thresholds), _comparable(now.value, thresholds)
    value = after - before
    direction = _direction(value, known)
    mdc, mid = thresholds.get("mdc"), thresholds.get("mid_improvement" if direction == "better" else "mid_worsening")
    sizes = [size for entry in (mdc, mid) if entry and (size := _size(entry, before))]
    text = words.signed(value, sizes, places_of(scale))
    if known is not None and "confirmed_worsening" in thresholds:
        return _read_steps(then, now, value, text, direction, thresholds["confirmed_worsening"], points)
    mdc_size, mid_size = (_size(entry, before) if entry else None for entry in (mdc, mid))
    is_mid_reached = None if mid_size is None else abs(value) >= mid_size
    reading: Reading = (
        "no change"
        if not value
        else "error not known"
        if mdc_size is None
        else "within error"
        if abs(value) < mdc_size
        else "beyond error"
    )
    used = tuple(entry for entry in (mdc, mid) if entry)
    sentence = _sentence(reading, direction, mdc_size, mid, mid_size, is_mid_reached)
    return Change(value, text, reading, direction, mdc_size, mid_size, is_mid_reached, sentence, used)


def _comparable(value: Fraction, thresholds: dict[str, Threshold]) -> Fraction:
    """A value with a threshold that is a ratio counts in whole hundredths, as it is measured."""
    return round(value, 2) if any(entry.metric == "ratio" for entry in thresholds.values()) else value


def _size(entry: Threshold, before: Fraction) -> Fraction:
    return Fraction(entry.value) * (before if entry.metric == "ratio" else 1)


def _direction(value: Fraction, known: Instrument | None) -> Literal["worse", "better", "higher", "lower", "none"]:
    if not value:
        return "none"
    if known is None or known.direction == "unknown":
        return "higher" if value > 0 else "lower"
    return "worse" if (value > 0) == (known.direction == "higher_worse") else "better"


def _sentence(
    reading: Reading,
    direction: str,
    mdc: Fraction | None,
    mid: Threshold | None,
    mid_size: Fraction | None,
    is_mid_reached: bool | None,
) -> str:
    """Error first, MID beside it. Only what is beyond error, or reaches the MID, is called worse or better."""
    if reading == "no change":
        return "no change"
    if mid is None or mid_size is None:
        mid_words = "no MID known"
    else:
        size = f"{words.number(Fraction(mid.value) * 100)}%" if mid.metric == "ratio" else words.number(mid_size, 3)
        standing = "" if mid.standing == "published" else f", {mid.standing}"
        mid_words = f"{'reaches' if is_mid_reached else 'below'} MID ({size}{standing})"
    if mdc is None:
        first = f"{direction}, {mid_words}" if is_mid_reached else mid_words
        return f"{first}; measurement error (MDC) not known"
    error = f"measurement error (MDC {words.number(mdc, 3)})"
    return f"{'within' if reading == 'within error' else f'{direction}, beyond'} {error}; {mid_words}"


def _read_steps(
    then: ScorePoint,
    now: ScorePoint,
    value: Fraction,
    text: str,
    direction: Literal["worse", "better", "higher", "lower", "none"],
    rule: Threshold,
    points: Iterable[ScorePoint],
) -> Change:
    """Ordinal steps have neither MDC nor MID: a rise counts once every report up to one 90 days later holds it."""
    if direction != "worse":
        sentence = "no change" if not value else "steps down; no MDC or MID known"
        return Change(
            value, text, "no change" if not value else "error not known", direction, None, None, None, sentence
        )
    onset = is_confirmed_from(then, now, Fraction(rule.value), points)
    if onset:
        sentence = f"worse: the rise of {words.day(onset)} was confirmed {CONFIRMING_DAYS} days or more later"
        return Change(value, text, "confirmed", direction, None, None, None, sentence, (rule,))
    sentence = f"steps up; not confirmed by a report {CONFIRMING_DAYS} days later"
    return Change(value, text, "not confirmed", direction, None, None, None, sentence, (rule,))


def is_confirmed_from(then: ScorePoint, now: ScorePoint, rise: Fraction, points: Iterable[ScorePoint]) -> date | None:
    """The first day of a rise over `then` that every report holds up to the first one at least 90 days later; else None.

    `points` are without those in the 90 days after a relapse, which neither begin a rise nor confirm it.
    """
    later = sorted((p for p in points if then.on < p.on <= now.on), key=lambda p: p.on)
    for place, onset in enumerate(later):
        if onset.value < then.value + rise:
            continue
        for point in later[place:]:
            if point.value < then.value + rise:
                break
            if point.on >= onset.on + timedelta(days=CONFIRMING_DAYS):
                return onset.on
    return None


def threshold_sources(lines: Iterable[ScoreLine]) -> Iterator[str]:
    """Where the thresholds on the sheet were published, each once."""
    seen = set()
    for line in lines:
        for entry in line.change.thresholds if line.change else ():
            name = {"mdc": "MDC", "confirmed_worsening": "confirmation"}.get(entry.name, "MID")
            text = f"{line.label} {name}: {entry.source}"
            if text not in seen:
                seen.add(text)
                yield text
