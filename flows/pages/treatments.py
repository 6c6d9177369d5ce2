"""The section on treatments, as patients rate them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.pages import charts
from flows.pages.charts import Mark, Row, Segment, stacked
from flows.pages.views import (
    Figure,
    Figures,
    Frame,
    Key,
    Section,
    TableRow,
    TableView,
    axis_end,
    is_shown,
    is_zero,
    n_is,
    number,
    of_n,
    percent,
    plain,
    share,
    sort_share,
)

_RATINGS = ("major", "moderate", "slight", "none", "cant_tell")
_RATING_FILLS = {
    "major": (charts.RAMP[3], charts.ON_RAMP[3]),
    "moderate": (charts.RAMP[2], charts.ON_RAMP[2]),
    "slight": (charts.RAMP[1], charts.ON_RAMP[1]),
    "none": (charts.RAMP[0], charts.ON_RAMP[0]),
    "cant_tell": (charts.APART, charts.ON_APART),
}
_RATING_KEYS = (
    Key("ramp-3", "Major"),
    Key("ramp-2", "Moderate"),
    Key("ramp-1", "Slight"),
    Key("ramp-0", "None"),
    Key("apart", "Can’t tell"),
)


def treatments(frame: Frame) -> Section:
    section = Section(
        "treatments",
        "Treatments, as patients rate them",
        "How much patients say a treatment does for the purpose they have it for: the latest rating of each patient. "
        "These are opinions of those who chose to rate. People who start a treatment are often doing worse before they "
        "start; those who stop rate less often. Rated treatments stand in alphabetical order: these figures cannot "
        "rank them.",
    )
    # Ratings in our own words first; each family that was translated stands alone after them.
    names = sorted(
        (name for name in frame.by_table if name.startswith("treatment_")), key=lambda n: (n != "treatment_native", n)
    )
    figures: list[Figure] = []
    for name in names:
        family = _Family(frame, name)
        figures += [_taken(family), _ratings(family), _shares(family)]
    return (
        replace(section, figures=tuple(figures))
        if figures
        else replace(section, notes=(frame.nothing(has_window=False),))
    )


@dataclass(frozen=True)
class _Family:
    """The treatments of one family of sources, whose ratings are in one scale."""

    frame: Frame
    name: str

    @property
    def source(self) -> str:
        return self.name.removeprefix("treatment_")

    @property
    def is_native(self) -> bool:
        return self.source == "native"

    @property
    def whom(self) -> str:
        return (
            "Consented patients with multiple sclerosis"
            if self.is_native
            else f"Patients of {self.source} with multiple sclerosis"
        )

    def title(self, words: str) -> str:
        return words if self.is_native else f"{words}: {self.source}"

    @property
    def notes(self) -> tuple[str, ...]:
        if self.is_native:
            return ()
        return (
            (
                f"{self.source} rates in other words than ours. They were translated (highly: major; considerably and "
                "moderately: moderate; marginally: slight; ineffective: none) and are never added to the ratings of "
                "other sources."
            ),
        )

    def figure(self, value: str, group: str, statistic: str = "count") -> Figures | None:
        return self.frame.figure(self.name, value, group, statistic)

    @property
    def treatments(self) -> list[tuple[str, str]]:
        return [entry for entry in self.frame.firsts(self.name) if _PURPOSE not in entry[0]]

    @property
    def purposes(self) -> dict[str, list[tuple[str, str]]]:
        """What it is for -> the treatments for it, both in alphabetical order."""
        found: dict[str, list[tuple[str, str]]] = {}
        for value, text in self.frame.firsts(self.name):
            treatment, joint, purpose = text.partition(_PURPOSE)
            if joint and _PURPOSE in value:
                found.setdefault(purpose, []).append((value, treatment))
        return {purpose: sorted(found[purpose], key=lambda entry: entry[1]) for purpose in sorted(found)}


_PURPOSE = " for "
_TREATMENTS_DRAWN = 15


def _taken(family: _Family) -> Figure:
    whole = family.frame.figure("source_family", family.source)
    shares = {value: family.figure(value, "takers", "share") for value, _ in family.treatments}
    order = sorted(family.treatments, key=lambda entry: (-sort_share(shares[entry[0]]), entry[1]))
    rows = [
        Row(
            text,
            f"{part['n_patients']:,} · {percent(part)}",
            segments=(Segment(part["value"], charts.ACCENT, ""),),
        )
        for value, text in order
        if (part := shares[value]) is not None and is_shown(part) and part["value"]
    ]
    drawn = rows[:_TREATMENTS_DRAWN]
    notes = ["Taken or done at any time up to that day, current or stopped. A patient may count in several treatments."]
    if drawn and len(drawn) < len(order):
        notes.append(
            f"{len(order) - len(drawn):,} more treatments, with fewer or suppressed counts, stand in the table."
        )
    return Figure(
        f"taken-{family.source}",
        family.title("What patients have taken or done"),
        f"{family.whom}, {family.frame.as_of}, in percent of these; {n_is(whole)}.",
        TableView(
            f"Patients who have taken or done a treatment{of_n(whole)}",
            ("Treatment", "Patients", "Share"),
            tuple(
                TableRow(text, (number(family.figure(value, "takers")), share(shares[value]))) for value, text in order
            ),
        ),
        tuple(drawn),
        table_notes=tuple(notes),
        upper=axis_end(max((row.segments[0].share for row in drawn), default=1.0)),
    )


def _ratings(family: _Family) -> Figure:
    rows: list[Row] = []
    lines: list[TableRow] = []
    unrated: list[str] = []
    listed = hidden = 0
    for purpose, treatments in family.purposes.items():
        rated = [entry for entry in treatments if not is_zero(family.figure(entry[0], "rated"))]
        taken = [
            text
            for value, text in treatments
            if (value, text) not in rated and not is_zero(family.figure(value, "takers"))
        ]
        unrated += [f"for {purpose}: {', '.join(taken)}"] if taken else []
        if not rated:
            continue
        heading = TableRow(f"For {purpose}", is_heading=True)
        drawn = [row for value, treatment in rated if (row := _rating_row(family, value, treatment)) is not None]
        listed += len(rated)
        hidden += len(rated) - len(drawn)
        rows += [Row(heading.header, is_heading=True), *drawn] if drawn else []
        lines.append(heading)
        for value, treatment in rated:
            cells = tuple(number(family.figure(value, group)) for group in ("takers", "rated", *_RATINGS))
            lines.append(TableRow(treatment, cells, is_indented=True))
    notes = []
    if hidden:
        notes.append(
            f"In the table only, since the share of “Major” is suppressed: {hidden:,} of {listed:,} pairs of treatment "
            "and purpose."
        )
    if unrated:
        notes.append(f"Taken or done, but rated by nobody, {'; '.join(unrated)}.")
    return Figure(
        f"ratings-{family.source}",
        family.title("Perceived effectiveness by treatment and purpose"),
        f"{family.whom} who rated it, {family.frame.as_of}, in percent of those who rated.",
        TableView(
            "Patients by rating, of those who rated, of those who have taken or done it",
            ("Treatment", "Takers", "Of takers, rated", "Major", "Moderate", "Slight", "None", "Can’t tell"),
            tuple(lines),
        ),
        tuple(rows),
        _RATING_KEYS,
        ("At the right: how many rated it, of those who have taken or done it for this purpose at any time.",),
        (*notes, *family.notes),
    )


def _rating_row(family: _Family, value: str, treatment: str) -> Row | None:
    """The five levels as a bar; None if its first level is not shown, so that nothing of it has a place."""
    rated, takers = family.figure(value, "rated"), family.figure(value, "takers")
    shares = [family.figure(value, level, "share") for level in _RATINGS]
    if not is_shown(rated) or not is_shown(shares[0]):
        return None
    parts = [
        (part["value"] if part is not None and is_shown(part) else None, *_RATING_FILLS[level])
        for level, part in zip(_RATINGS, shares, strict=True)
    ]
    of_takers = f" of {plain(takers)}" if is_shown(takers) else ""
    return Row(treatment, f"{plain(rated)}{of_takers} rated", segments=stacked(parts))


def _shares(family: _Family) -> Figure:
    rows: list[Row] = []
    lines: list[TableRow] = []
    listed = hidden = unrated = 0
    for purpose, treatments in family.purposes.items():
        heading = f"For {purpose}"
        given = [entry for entry in treatments if not is_zero(family.figure(entry[0], "level_given"))]
        unrated += len(treatments) - len(given)
        lines += [TableRow(heading, is_heading=True)] if given else []
        drawn = []
        for value, treatment in given:
            part = family.figure(value, "major_or_moderate", "share")
            cells = (
                number(family.figure(value, "level_given")),
                number(family.figure(value, "major_or_moderate")),
                share(part),
            )
            lines.append(TableRow(treatment, cells, is_indented=True))
            if part is not None and is_shown(part):
                mark = Mark(part["value"], part["low"], part["high"], charts.ACCENT)
                drawn.append(Row(treatment, f"n = {part['denominator']:,}", marks=(mark,)))
        listed += len(given)
        hidden += len(given) - len(drawn)
        rows += [Row(heading, is_heading=True), *drawn] if drawn else []
    notes = []
    if hidden:
        notes.append(
            f"In the table only, since the share is suppressed: {hidden:,} of {listed:,} pairs of treatment and purpose."
        )
    if unrated:
        notes.append(
            f"Left out, since nobody gave a level: {unrated:,} of {listed + unrated:,} pairs of treatment and purpose."
        )
    return Figure(
        f"shares-{family.source}",
        family.title("Rated major or moderate"),
        f"{family.whom} who gave a level, “can’t tell” left out, {family.frame.as_of}, in percent of n.",
        TableView(
            "Share rated major or moderate, of those who gave a level",
            ("Treatment", "Gave a level (n)", "Major or moderate", "Share (95 %)"),
            tuple(lines),
        ),
        tuple(rows),
        notes=("A line is the 95 % interval after Wilson. It does not cover who chooses to rate.",),
        table_notes=(*notes, *family.notes),
    )
