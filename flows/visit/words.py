"""How values are said on the sheet: codes by their labels, dates as exactly as they are known, numbers by their thresholds."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from functools import cache

from schemas.codes import code_list

SEVERITIES = ("none", "mild", "moderate", "severe")
DIFFICULTIES = ("no difficulty", "a little", "some", "a lot", "cannot do")
REGIONS = {
    "legs": "legs",
    "arms_hands": "arms, hands",
    "torso": "torso",
    "face": "face",
    "whole_body": "whole body",
    "unknown": "part not stated",
}
COURSES = {
    "cis": "clinically isolated syndrome",
    "rrms": "relapsing-remitting MS",
    "spms": "secondary progressive MS",
    "ppms": "primary progressive MS",
    "prms": "progressive-relapsing MS",
    "unspecified": "MS, course not specified",
}
AMBULATION = {
    "unaided": "walks unaided",
    "one_aid": "walks with one aid",
    "two_aids": "walks with two aids or a walker",
    "wheelchair": "uses a wheelchair or scooter",
    "bed": "restricted to bed",
}
CAUSES = {
    "direct_nerve": "nerve damage",
    "indirect_deconditioning": "inactivity and loss of condition",
    "both": "nerve damage and inactivity",
}
RATINGS = {"cant_tell": "can't tell"}
STOP_REASONS = {
    "not_working": "did not seem to work",
    "side_effects": "side effects",
    "doctor_advice": "a doctor's advice",
    "course_complete": "course complete",
    "cost": "cost",
    "coverage_change": "change of coverage",
    "personal_research": "own reading",
    "pregnancy_planning": "pregnant or planning it",
    "improved": "no longer needed",
    "disease_progression": "disease progressed",
    "other": "another reason",
    "unknown": "reason not known",
}
DOSE_UNITS = {"ug": "µg", "[iU]": "IU", "10*6.[iU]": "million IU", "[drp]": "drops", "1": "units (tablets, puffs)"}
DOSE_PERIODS = {"day": "a day", "week": "a week", "month": "a month", "as_needed": "when needed"}

# A word that no code list knows is the member's own, cut so that it cannot push others off the page.
OWN_WORD_LENGTH = 28


@cache
def _labels(name: str) -> dict[str, str]:
    return {entry.code: entry.label for entry in code_list(name).codes}


def is_own_word(code: str) -> bool:
    """Whether no code list knows it: such a token carries its source and a colon."""
    return ":" in code


def label(name: str, code: str) -> str:
    """The code's label in a code list; of a word the list does not know the word itself, marked and cut."""
    if is_own_word(code):
        word = "".join(sign for sign in code.partition(":")[2].replace("_", " ") if sign.isprintable())
        return f"{word[:OWN_WORD_LENGTH]}{'…' if len(word) > OWN_WORD_LENGTH else ''}*"
    return _labels(name).get(code, code.replace("_", " "))


def lower(text: str) -> str:
    """For use within a sentence: names that are abbreviations (TENS, MS) keep their letters."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def day(moment: date) -> str:
    """The day, as in 3 Nov 2024."""
    return f"{moment.day} {moment:%b} {moment.year}"


def partial(moment: date | None, precision: str) -> str | None:
    """The date as exactly as it is known: a month is said as a month. None if nothing of it is known.

    >>> partial(date(2024, 3, 1), "month"), partial(date(2024, 1, 1), "year"), partial(None, "unknown")
    ('Mar 2024', '2024', None)
    """
    if moment is None or precision == "unknown":
        return None
    return {"month": f"{moment:%b} {moment.year}", "year": str(moment.year)}.get(precision, day(moment))


def end_of(moment: date, precision: str) -> date:
    """The last day of what is known of a date."""
    if precision == "year":
        return date(moment.year, 12, 31)
    if precision == "month":
        return date(moment.year, moment.month, monthrange(moment.year, moment.month)[1])
    return moment


def listed(words: Iterable[str], most: int | None = None) -> str:
    """Words in one line; of more than `most` the rest is counted."""
    found = list(words)
    if most is not None and len(found) > most:
        return f"{', '.join(found[:most])} and {len(found) - most} more"
    return ", ".join(found)


def counted(count: int, thing: str) -> str:
    """A count with its noun: 1 fall, 2 falls, 1,200 falls."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def steps(change: int) -> str:
    """A change of an ordered level, higher being worse: one step is the unit, since it has no other."""
    if not change:
        return "no change"
    return f"{counted(abs(change), 'step')} {'worse' if change > 0 else 'better'}"


def number(value: Fraction, places: int = 1) -> str:
    """At most so many places, no zeros at the end, a true minus sign."""
    text = f"{float(rounded(value, places)):,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "0") else text.replace("-", "\u2212")


def rounded(value: Fraction, places: int) -> Fraction:
    """Half away from zero, as people round.

    >>> rounded(Fraction("6.25"), 1), rounded(Fraction("-6.25"), 1)
    (Fraction(63, 10), Fraction(-63, 10))
    """
    whole = (abs(value) * 10**places + Fraction(1, 2)) // 1
    return Fraction(whole, 10**places) * (1 if value >= 0 else -1)


def signed(value: Fraction, thresholds: Iterable[Fraction] = (), places: int = 1) -> str:
    """A change with its sign, in as many places as it takes not to seem to reach a threshold it does not reach.

    >>> signed(Fraction("7.96"), [Fraction(8)]), signed(Fraction("-8.33"), [Fraction(8)])
    ('+7.96', '\u22128.3')
    """
    limits = [*thresholds, Fraction(0)]
    while places < 4 and any(_side(rounded(abs(value), places), t) != _side(abs(value), t) for t in limits):
        places += 1
    text = number(value, places)
    return f"+{text}" if value > 0 else text


def _side(value: Fraction, threshold: Fraction) -> int:
    """Below, at or above."""
    return (value > threshold) - (value < threshold)
