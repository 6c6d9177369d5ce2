"""What anybody who reads the report knows of its tables: which counts are parts of which, and which add up.

Rebuilt from what the pages say, not from the project's own relations. What is not described here `discovered` finds in the
cells of several cohorts; parts that overlap, pooled shares and curves it cannot find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from published_files import Place

MEMBERS, CONSENTED, PATIENTS, IN_WINDOW = (
    ("membership", step, "") for step in ("members", "consented", "reported_on", "in_window")
)
WEAKNESS = "muscle_weakness"
LEVELS = ("none", "mild", "moderate", "severe")


@dataclass(frozen=True)
class Sum:
    """The parts are disjoint and make up the whole."""

    whole: Place
    parts: tuple[Place, ...]


@dataclass(frozen=True)
class Cover:
    """Everybody of the whole is in at least one part, and the parts have nobody else."""

    whole: Place
    parts: tuple[Place, ...]


Relation = Sum | Cover


@dataclass(frozen=True)
class TableSpec:
    """`whole` is of whom a line's count is a part; `relations` are the sums of the table, given its lines.

    `arms` says, if a pooled or shrunken share stands in the table, of which counts of a line it is the share.
    """

    whole: Callable[[Place], Place | None] = lambda _: None
    relations: Callable[[list[Place]], Iterator[Relation]] = lambda _: iter(())
    arms: tuple[str, str] | None = None


def firsts(lines: list[Place]) -> list[str]:
    return list(dict.fromkeys(first for _, first, _ in lines))


def partition(whole: Place) -> TableSpec:
    def relations(lines: list[Place]) -> Iterator[Relation]:
        yield Sum(whole, tuple(lines))

    return TableSpec(lambda _: whole, relations)


def _membership() -> TableSpec:
    steps = {"members": None, "consented": MEMBERS, "reported_on": CONSENTED, "in_window": PATIENTS}
    # Whoever reported something, reported something in the window.
    return TableSpec(lambda place: steps.get(place[1], IN_WINDOW))


def _course() -> TableSpec:
    spms = ("ms_course", "spms", "")

    def relations(lines: list[Place]) -> Iterator[Relation]:
        yield Sum(PATIENTS, tuple(place for place in lines if not place[2]))
        yield Sum(spms, tuple(place for place in lines if place[2]))

    # nrSPMS is a part of SPMS, but its share is one of all patients.
    return TableSpec(lambda _: PATIENTS, relations)


def _severity() -> TableSpec:
    def whole(place: Place) -> Place | None:
        return IN_WINDOW if place[2] == "reporting" else (place[0], place[1], "reporting")

    def relations(lines: list[Place]) -> Iterator[Relation]:
        for symptom in firsts(lines):
            at = {
                second: (lines[0][0], symptom, second) for second in (*LEVELS, "any", "moderate_or_severe", "reporting")
            }
            yield Sum(at["reporting"], tuple(at[level] for level in LEVELS))
            yield Sum(at["reporting"], (at["none"], at["any"]))
            yield Sum(at["any"], tuple(at[level] for level in LEVELS[1:]))
            yield Sum(at["moderate_or_severe"], (at["moderate"], at["severe"]))

    return TableSpec(whole, relations)


def _region() -> TableSpec:
    def relations(lines: list[Place]) -> Iterator[Relation]:
        for region in firsts(lines):
            at = {second: (lines[0][0], region, second) for second in (*LEVELS[1:], "any", "moderate_or_severe")}
            yield Sum(at["any"], tuple(at[level] for level in LEVELS[1:]))
            yield Sum(at["moderate_or_severe"], (at["moderate"], at["severe"]))
        # The worst severity of a patient's latest day is that of some region.
        for severity in (*LEVELS[1:], "any", "moderate_or_severe"):
            parts = tuple((lines[0][0], region, severity) for region in firsts(lines))
            yield Cover(("symptom_severity", WEAKNESS, severity), parts)

    return TableSpec(lambda _: ("symptom_severity", WEAKNESS, "reporting"), relations)


def _treatment(family: str) -> TableSpec:
    table = f"treatment_{family}"
    rated = ("major", "moderate", "slight", "none")

    def whole(place: Place) -> Place:
        treatment, _, purpose = place[1].partition(" for ")
        if not purpose:
            return ("source_family", family, "")
        if place[2] == "takers":
            return (table, treatment, "takers")
        of = {"rated": "takers", "major_or_moderate": "level_given"}.get(place[2], "rated")
        return (table, place[1], of)

    def relations(lines: list[Place]) -> Iterator[Relation]:
        purposes: dict[str, list[str]] = {}
        for first in firsts(lines):
            treatment, _, purpose = first.partition(" for ")
            if not purpose:
                continue
            purposes.setdefault(treatment, []).append(first)
            at = {
                second: (table, first, second)
                for second in (*rated, "cant_tell", "level_given", "major_or_moderate", "rated")
            }
            yield Sum(at["rated"], (*(at[level] for level in rated), at["cant_tell"]))
            yield Sum(at["rated"], (at["level_given"], at["cant_tell"]))
            yield Sum(at["level_given"], tuple(at[level] for level in rated))
            yield Sum(at["major_or_moderate"], (at["major"], at["moderate"]))
        for treatment, of in purposes.items():
            yield Cover((table, treatment, "takers"), tuple((table, first, "takers") for first in of))

    return TableSpec(whole, relations, ("major_or_moderate", "level_given"))


def _accounting() -> TableSpec:
    table = "accounting_records"

    def relations(lines: list[Place]) -> Iterator[Relation]:
        for source in firsts(lines):
            yield Sum((table, source, "read"), tuple(p for p in lines if p[1] == source and p[2] != "read"))

    return TableSpec(lambda place: None if place[2] == "read" else (table, place[1], "read"), relations)


def _next_treatments() -> TableSpec:
    """Of lines placed by their keys, `...|use=stopped|next=baclofen`: several treatments share the values of the table."""
    groups = ("none_known", "switched")

    def whole(place: Place) -> Place:
        return ("in_use_native", place[1].rpartition("|next=")[0], "stopped|")

    def relations(lines: list[Place]) -> Iterator[Relation]:
        of: dict[str, dict[str, Place]] = {}
        for place in lines:
            stopped, _, following = place[1].rpartition("|next=")
            of.setdefault(stopped, {})[following] = place
        for at in of.values():
            stopped = whole(at["none_known"])
            yield Sum(stopped, (at["none_known"], at["switched"]))
            if named := tuple(place for following, place in at.items() if following not in groups):
                yield Sum(at["switched"], named)
                yield Sum(stopped, (at["none_known"], *named))

    return TableSpec(whole, relations)


BY_KEY: dict[str, TableSpec] = {"switches_native": _next_treatments()}

SPECS: dict[str, TableSpec] = {
    "membership": _membership(),
    "age_band": partition(PATIENTS),
    "sex": partition(PATIENTS),
    "ms_course": _course(),
    "source_family": partition(PATIENTS),
    "symptom_severity": _severity(),
    "weakness_by_region": _region(),
    "weakness_by_cause": partition(("symptom_severity", WEAKNESS, "any")),
    "treatment_native": _treatment("native"),
    "treatment_druglib": _treatment("druglib"),
    "accounting_records": _accounting(),
    "accounting_files": TableSpec(),
    "rule_failure": TableSpec(lambda place: ("rule_checked", place[1], place[2])),
    "rule_checked": TableSpec(),
    "unmapped_records": TableSpec(),
    "unmapped_codes": TableSpec(),
}
