"""Figures in words: counts, shares, values with their unit and interval, and what is hidden or cannot be estimated."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flows.pages.frame import Figures
from schemas.topics import Topic, words

EARLIER = "\u2020"
SUPPRESSED, NOT_ESTIMABLE, ABSENT = "suppressed", "not estimable", "–"
_SHARE_UNITS = ("share", "proportion")
# Units that are no unit a reader would say: of a probability there is none, a flag is yes or no, a sign more or less.
_UNSAID_UNITS = (*_SHARE_UNITS, "patients", "probability", "flag", "sign")
_FLAGS, _SIGNS = {0: "no", 1: "yes"}, {-1: "less", 0: "neither", 1: "more"}
_POINTS = "percentage points"
_DIMENSIONS = {
    "symptom": "Symptom",
    "treatment": "Treatment",
    "treatment for purpose": "Treatment",
    "instrument": "Instrument",
    "activity": "Activity",
    "age_band": "Age",
    "body_region": "Part of the body",
    "member": "Step",
    "ms_course": "Course",
    "nrspms": "Relapses",
    "perceived_cause": "Perceived cause",
    "purpose": "Purpose",
    "sex": "Sex",
    "side_effect": "Side effect",
    "source": "Source",
}
_STATISTICS = {"share": "Share"}
_UNITS = {"patients": "Patients", "records": "Records", "files": "Files", "codes": "Codes"}


@dataclass(frozen=True)
class TableCell:
    """One cell of a table; `kind` is its class: text, number, suppressed, none."""

    text: str
    kind: str = "number"


def is_shown(row: Figures | None) -> bool:
    return row is not None and row["state"] == "shown"


def is_suppressed(row: Figures | None) -> bool:
    return row is not None and row["state"] == SUPPRESSED


def has_value(row: Figures | None) -> bool:
    """There is a value to draw: neither hidden nor not estimable."""
    return row is not None and row["state"] == "shown" and row["value"] is not None


def is_share(row: Figures) -> bool:
    return row["statistic"] == "share" or row["unit"] in _SHARE_UNITS


def table_cell(row: Figures | None, decimals: int = 1) -> TableCell:
    """The figure in a table, with its interval if it has one; the word for what is hidden; a dash for what there is not."""
    if row is None:
        return TableCell(ABSENT, "none")
    if row["state"] == SUPPRESSED:
        return TableCell(SUPPRESSED, "suppressed")
    if row["value"] is None:
        return TableCell(NOT_ESTIMABLE, "none")
    if row["statistic"] == "count":
        return TableCell(f"{round(row['value']):,}{dagger(row)}")
    return TableCell(_value(row, decimals) + dagger(row))


def _value(row: Figures, decimals: int) -> str:
    unit, value = row["unit"], row["value"]
    if unit == "flag":
        return _FLAGS.get(round(value), fixed(value, 0))
    if unit == "sign":
        return _SIGNS.get(round(value), fixed(value, 0))
    if unit == "probability":
        return "< 0.001" if value < 0.0005 else fixed(value, 3)
    if is_difference_of_shares(row):
        return _with_limits(row, 1, 100.0, "")
    if is_share(row):
        return _with_limits(row, 1, 100.0, " %")
    return _with_limits(row, decimals, 1.0, "")


def is_difference_of_shares(row: Figures) -> bool:
    """Of two shares, or from one share to the next: so many percentage points, and no percentage of anything."""
    is_one = is_share(row) and str(row["statistic"]).startswith("difference")
    return is_one or str(row["unit"]).startswith("share per ")


def chart_note(row: Figures, decimals: int = 1) -> str:
    """The figure beside its bar, shorter than in the table."""
    if is_share(row):
        return _with_limits(row, 0 if row["value"] >= 0.0095 or not row["value"] else 1, 100.0, " %") + dagger(row)
    return _with_limits(row, decimals, 1.0, "") + dagger(row)


def _with_limits(row: Figures, decimals: int, factor: float, unit: str) -> str:
    text = f"{fixed(row['value'] * factor, decimals)}{unit}"
    if row["low"] is None or row["high"] is None:
        return text
    low, high = fixed(row["low"] * factor, decimals), fixed(row["high"] * factor, decimals)
    # A dash between two numbers of which one has a minus cannot be read.
    return f"{text} ({low} to {high})" if "−" in low + high else f"{text} ({low}–{high})"


def fixed(value: float, decimals: int) -> str:
    """With commas and a real minus sign, and no minus before zero."""
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text.replace("-", "−")


def decimals_for(rows: Iterable[Figures | None]) -> int:
    """As many decimals for all of a column as its greatest value needs; four where two would leave nothing of any."""
    shown = [row for row in rows if row is not None and has_value(row)]
    largest = max((abs(row["value"]) for row in shown), default=0.0)
    ends = [abs(row[name]) for row in shown for name in ("value", "low", "high") if row[name] is not None]
    if 0 < max(ends, default=0.0) < 0.01:
        return 4
    return 0 if largest >= 1000 else 1 if largest >= 10 else 2


def dagger(row: Figures) -> str:
    """The sign of a figure that is shown as an earlier release showed it."""
    return EARLIER if row.get("is_earlier") else ""


def plain(row: Figures | None) -> str:
    return table_cell(row).text


def n_of(row: Figures | None) -> int | None:
    """Of how many patients a figure is: the whole of a share, else those it is about."""
    if row is None or row["state"] == SUPPRESSED:
        return None
    found = row["denominator"] if row["statistic"] in ("share", "shrunk_share") else row["n_patients"]
    return int(found) if found is not None else None


def n_is(count: int | None) -> str:
    return f"n = {count:,}" if count is not None else "n is suppressed"


def dimension_words(name: str) -> str:
    return words().get("dimension", {}).get(name) or _DIMENSIONS.get(name) or name.replace("_", " ").capitalize()


def statistic_words(topic: Topic | None, name: str, rows: Iterable[Figures]) -> str:
    """The head of a column: what it is, in which unit, with which interval."""
    found = list(rows)
    units = {row["unit"] for row in found}
    if name == "count":
        return _UNITS.get(next(iter(units), ""), "Number") if len(units) == 1 else "Number"
    known = (topic.statistics if topic else {}).get(name) or _STATISTICS.get(name)
    text = known or name.replace("_", " ").capitalize()
    brackets = []
    unit = next(iter(units)) if len(units) == 1 and name != "share" else ""
    if found and all(is_difference_of_shares(row) for row in found):
        unit = unit.replace("share", _POINTS, 1)
    if unit not in ("", *_UNSAID_UNITS) and unit.lower() not in text.lower():
        brackets.append(unit)
    if any(row["low"] is not None for row in found):
        brackets.append("95 %")
    return f"{text} ({', '.join(brackets)})" if brackets else text


def in_sentence(text: str) -> str:
    """Without the capital of a sentence's first word, unless the word is an abbreviation."""
    return text[0].lower() + text[1:] if text[1:2].islower() or len(text) == 1 else text


def capital(text: str) -> str:
    """With the capital of a sentence's first word, unless the word has capitals of its own, as nrSPMS has."""
    word = text.partition(" ")[0]
    return text if word.lower() != word else text[:1].upper() + text[1:]


def time_words(value: str, label: str | None) -> str:
    """A time as people write it: Q4 2024, Oct 2024; else the label."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    if found := re.fullmatch(r"(\d{4})[- ]?[Qq]([1-4])", value):
        return f"Q{found[2]} {found[1]}"
    if found := re.fullmatch(r"(\d{4})-(\d{2})(-01)?", value):
        return f"{months[int(found[2]) - 1]} {found[1]}" if 1 <= int(found[2]) <= 12 else value
    return label or value


def breakable(page: str) -> str:
    """A number stays on one line with its percent sign, and with the n it is the value of."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bn) (?== )|(?<=\bn =) (?=\d)", "\u00a0", page)
