"""Questions to discuss: each follows from the records by one rule that is printed beside it. None is advice, none names a cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flows.visit import words
from flows.visit.life import Activity, Falls
from flows.visit.scores import ScoreLine
from flows.visit.symptoms import SymptomLine
from flows.visit.treatments import TreatmentLine

_MOST_TOLD = 4


@dataclass(frozen=True)
class Question:
    """What may be talked about, and the rule by which it is asked."""

    text: str
    rule: str


def questions(
    symptoms: Iterable[SymptomLine],
    scores: Iterable[ScoreLine],
    treatments: Iterable[TreatmentLine],
    falls: Falls,
    activity: Activity,
) -> list[Question]:
    """All questions, those of more weight first: falls, worsening, side effects, stops, what no treatment is named for, use."""
    symptoms, scores, treatments = list(symptoms), list(scores), list(treatments)
    return [
        *_of_falls(falls),
        *_of_worsening(symptoms, scores),
        *_of_harm(treatments),
        *_of_need(symptoms, treatments),
        *_of_use(treatments),
        *_of_activity(activity),
    ]


def _of_falls(falls: Falls) -> Iterator[Question]:
    now = falls.now
    if now and (now.falls >= 2 or now.injurious):
        injured = f", {now.injurious} with an injury" if now.injurious else ""
        yield Question(
            f"{words.counted(now.falls, 'fall')} reported{injured}. When and where do they happen?",
            "2 or more falls, or one with an injury",
        )


def _of_worsening(symptoms: list[SymptomLine], scores: list[ScoreLine]) -> Iterator[Question]:
    worse = [line for line in symptoms if (line.change or 0) > 0 and line.now.level >= 2]
    if worse:
        worse.sort(key=lambda line: (-(line.change or 0), -line.now.level))
        told = [f"{words.lower(line.label)} ({line.then.word} to {line.now.word})" for line in worse if line.then]
        yield Question(
            f"Since about a year ago: {words.listed(told, _MOST_TOLD)}. What is different in daily life?",
            "severities 1 or more steps worse, now moderate or severe",
        )
    begun = [line for line in symptoms if line.change is None and line.is_new and line.now.level >= 2]
    if begun:
        told = [f"{words.lower(line.label)} ({line.now.word})" for line in begun]
        yield Question(
            f"New in these 12 months: {words.listed(told, _MOST_TOLD)}. How did it begin?",
            "first report ever in these 12 months, now moderate or severe",
        )
    for score in scores:
        change = score.change
        if change and change.reading in ("beyond error", "confirmed") and change.direction == "worse":
            yield Question(
                f"{score.label} changed by {change.text}: {change.sentence}. Does that match daily life?",
                "a score worse beyond its MDC, or a step confirmed 90 days later",
            )
        elif change and change.reading == "error not known" and change.is_mid_reached and change.direction == "worse":
            yield Question(
                f"{score.label} changed by {change.text}, at least its MID; its measurement error is not known. "
                "Does that match daily life?",
                "a score worse by its MID or more, where no MDC is known",
            )


def _of_harm(treatments: list[TreatmentLine]) -> Iterator[Question]:
    for line in treatments:
        if line.is_current and line.side_effects in ("moderate", "severe"):
            named = f" ({words.listed(line.side_effect_names, 3)})" if line.side_effect_names else ""
            yield Question(
                f"{line.label}: side effects rated {line.side_effects}{named}. Are they known to the team?",
                "a treatment in use with side effects rated moderate or severe",
            )
    for line in treatments:
        told = [words.STOP_REASONS[reason] for reason in line.stop_reasons if reason in _TELLING_STOPS]
        if told:
            yield Question(
                f"{line.label} was stopped ({line.stopped or 'day not stated'}); reason given: {words.listed(told)}. "
                "Was this talked about?",
                "a treatment stopped for side effects, cost, coverage or because it did not seem to do enough",
            )


_TELLING_STOPS = ("side_effects", "not_working", "cost", "coverage_change")


def _of_need(symptoms: list[SymptomLine], treatments: list[TreatmentLine]) -> Iterator[Question]:
    served = {code for line in treatments if line.is_current for code in line.purpose_codes}
    open_codes = dict.fromkeys(
        line.symptom_code for line in symptoms if line.now.level == 3 and line.symptom_code not in served
    )
    if open_codes:
        names = words.listed((words.lower(words.label("symptom", code)) for code in open_codes), _MOST_TOLD)
        yield Question(
            f"Severe now, and no treatment in use is named for it: {names}. Is it one to talk about today?",
            "symptoms now severe that no treatment in use has as a purpose",
        )


def _of_use(treatments: list[TreatmentLine]) -> Iterator[Question]:
    current = [line for line in treatments if line.is_current]
    for line in current:
        if line.adherence in ("sometimes", "never"):
            yield Question(
                f"{line.label}: used as intended {line.adherence}. What gets in the way?",
                "a treatment in use, used as intended only sometimes or never",
            )
    for line in current:
        for rating in line.ratings:
            if rating.effectiveness == "none":
                purpose = f" for {rating.purpose}" if rating.purpose else ""
                yield Question(
                    f"{line.label}: own rating{purpose} is 'none'. What do you both expect of it?",
                    "a treatment in use whose latest own rating is none",
                )
    for line in current:
        if line.is_stale:
            when = (
                f"last confirmed on {words.day(line.confirmed_on)}"
                if line.confirmed_on
                else "never confirmed since it was entered"
            )
            yield Question(
                f"{line.label} is listed as in use, {when}. Is it still?",
                "a treatment in use, not confirmed for more than 180 days",
            )


def _of_activity(activity: Activity) -> Iterator[Question]:
    if activity.then and activity.now is not None and activity.now <= activity.then / 2:
        reason = f" Reason most often given: {activity.reasons[0][0]}." if activity.reasons else ""
        yield Question(
            f"Active minutes a week: {activity.then:g} about a year ago, {activity.now:g} now (medians).{reason} What has changed?",
            "active minutes at most half of a year ago",
        )
