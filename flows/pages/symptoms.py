"""The sections on patients and their symptoms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

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
    with_interval,
)

_LEVELS = ("none", "mild", "moderate", "severe")


def who_reports(frame: Frame) -> Section:
    figures = [
        _population(
            frame,
            "age_band",
            "Age",
            "Age of consented patients with multiple sclerosis, in years, from the year of birth",
        ),
        _population(frame, "sex", "Sex", "Sex as consented patients with multiple sclerosis state it"),
        _population(
            frame,
            "ms_course",
            "Course of multiple sclerosis",
            "Course as consented patients state it. Non-relapsing: secondary progressive, and no relapse for 24 months",
        ),
    ]
    steps = TableView(
        "From all members to the patients of this report",
        ("Step", "Patients"),
        tuple(TableRow(text, (number(frame.figure("membership", step)),)) for step, text in frame.firsts("membership")),
    )
    return Section(
        "who-reports",
        "Who reports",
        "A complete count of those who agreed to be counted, not a sample of all people with multiple sclerosis. "
        "Where one group is small, a second one beside it is held back too, so that it cannot be computed.",
        (
            Figure("membership", "Members and patients", f"All members, {frame.as_of}.", steps, is_table_open=True),
            *(figure for figure in figures if figure is not None),
        ),
    )


def _population(frame: Frame, name: str, title: str, subtitle: str) -> Figure | None:
    cells = frame.table(name)
    total = frame.figure("membership", "reported_on")
    if not _has_patients(total):
        return None
    lines, rows, empty = [], [], []
    for (_, value_2), cell in cells.items():
        count, part = cell["count"], cell.get("share")
        text = count["label_2"] if value_2 else count["label_1"]
        lines.append(TableRow(text, (number(count), share(part)), is_indented=value_2 is not None))
        if is_zero(count):
            empty.append(text)
            continue
        indent = value_2 is not None
        if part is None or not is_shown(part):
            rows.append(Row(text, held="suppressed", is_indented=indent))
            continue
        bar = Segment(part["value"], charts.ACCENT_SOFT if indent else charts.ACCENT, "")
        rows.append(Row(text, f"{plain(count)} · {percent(part)}", segments=(bar,), is_indented=indent))
    largest = max((segment.share for row in rows for segment in row.segments), default=1.0)
    return Figure(
        name.replace("_", "-"),
        title,
        f"{subtitle}, {frame.as_of}; {n_is(total)}.",
        TableView(f"{title}: patients and share{of_n(total)}", (title, "Patients", "Share"), tuple(lines)),
        tuple(rows),
        upper=axis_end(largest),
        table_notes=(f"In the table only, since there is nobody: {'; '.join(empty)}.",) if empty else (),
    )


def _has_patients(total: Figures | None) -> bool:
    return total is not None and (total["state"] == "suppressed" or bool(total["value"]))


_SEVERITY_KEYS = tuple(Key(f"ramp-{i}", text) for i, text in enumerate(("None", "Mild", "Moderate", "Severe")))
_WILSON = "A line is the 95 % interval after Wilson."
_INTERVAL_KEYS = (Key("dot-accent", "Moderate or severe"), Key("dot-soft", "Any severity"))


def symptoms(frame: Frame) -> Section:
    name = "symptom_severity"
    listed = frame.firsts(name)
    section = Section(
        "symptoms",
        "Symptoms",
        f"Of the patients who reported on a symptom from {frame.when}: how severe it was in their latest report of it. "
        "“None” is a report too. Patients who never reported on a symptom in this time are not among its patients.",
    )
    if not listed:
        return replace(section, notes=(frame.nothing(),))
    order = sorted(
        listed, key=lambda entry: (-sort_share(frame.figure(name, entry[0], "moderate_or_severe", "share")), entry[1])
    )
    of_two = [_interval_row(frame, name, value, text, "reporting") for value, text in order]
    levels = [row for value, text in order if (row := _severity_row(frame, name, value, text)) is not None]
    one_suppressed, in_table_only = [], []
    if any(row.held == _HELD[1] for row in of_two):
        one_suppressed.append("“One suppressed”: of the two shares, that whose colour is missing.")
    if hidden := len(order) - len(levels):
        in_table_only.append(
            f"In the table only, since the share of “None” is suppressed: {hidden:,} of {len(order):,} symptoms."
        )
    of_whom = f"Patients who reported on the symptom, {frame.when}."
    prevalence = Figure(
        "prevalence",
        "How many have the symptom",
        f"{of_whom} Share with any and with moderate or severe severity, with 95 % intervals.",
        _severity_table(
            frame, name, order, "Symptom", "Share with the symptom, in % with 95 % interval", is_share=True
        ),
        tuple(of_two),
        _INTERVAL_KEYS,
        (
            f"{_WILSON} n is the number of patients who reported on the symptom.",
            *one_suppressed,
        ),
    )
    severity = Figure(
        "severity",
        "How severe it is",
        f"{of_whom} Severity in the latest report, in percent of n.",
        _severity_table(frame, name, order, "Symptom", "Patients by severity", is_share=False),
        tuple(levels),
        _SEVERITY_KEYS,
        table_notes=(
            "One report a patient: the latest; where one day has several parts of the body, the worst of them.",
            *in_table_only,
        ),
    )
    return replace(section, figures=(prevalence, severity))


_HELD = ("", "one suppressed", "both suppressed")


def _interval_row(frame: Frame, name: str, value: str, text: str, whole: str) -> Row:
    marks, hidden = [], 0
    for group, fill in (("any", charts.ACCENT_SOFT), ("moderate_or_severe", charts.ACCENT)):
        part = frame.figure(name, value, group, "share")
        if part is not None and is_shown(part):
            marks.append(Mark(part["value"], part["low"], part["high"], fill))
        elif part is not None:
            hidden += 1
    n = frame.figure(name, value, whole)
    return Row(text, n_is(n) if is_shown(n) else "", _HELD[hidden], marks=tuple(marks))


def _levels(frame: Frame, name: str, value: str, levels: Sequence[str], whole: float = 1.0) -> tuple[Segment, ...]:
    parts = []
    for level in levels:
        part = frame.figure(name, value, level, "share")
        at = _LEVELS.index(level)
        share_of_level = part["value"] if part is not None and is_shown(part) else None
        parts.append((share_of_level, charts.RAMP[at], charts.ON_RAMP[at]))
    return stacked(parts, whole)


def _severity_row(frame: Frame, name: str, value: str, text: str) -> Row | None:
    """The levels as a bar; None if its first level is not shown, so that nothing of it has a place."""
    n = frame.figure(name, value, "reporting")
    if not is_shown(n) or not is_shown(frame.figure(name, value, _LEVELS[0], "share")):
        return None
    return Row(text, n_is(n), segments=_levels(frame, name, value, _LEVELS))


def _severity_table(
    frame: Frame,
    name: str,
    order: Iterable[tuple[str, str]],
    first: str,
    caption: str,
    *,
    is_share: bool,
    has_whole: bool = True,
) -> TableView:
    groups = (
        ("any", "moderate_or_severe") if is_share else (("none",) if has_whole else ()) + ("mild", "moderate", "severe")
    )
    heads = {
        "any": "Any",
        "moderate_or_severe": "Moderate or severe",
        **{level: level.capitalize() for level in _LEVELS},
    }
    whole = ("reporting",) if has_whole else ()
    rows = tuple(
        TableRow(
            text,
            tuple(number(frame.figure(name, value, group)) for group in whole)
            + tuple(
                share(frame.figure(name, value, group, "share"))
                if is_share
                else number(frame.figure(name, value, group))
                for group in groups
            ),
        )
        for value, text in order
    )
    columns = (first, *(("Reported on it (n)",) if has_whole else ()), *(heads[group] for group in groups))
    return TableView(caption, columns, rows)


def weakness(frame: Frame) -> Section:
    section = Section(
        "muscle-weakness",
        "Muscle weakness",
        "Where patients feel it, and what they think is behind it. A patient may count in several parts of the body, "
        "so the shares of the parts do not add up to 100 %.",
    )
    whole = frame.figure("symptom_severity", "muscle_weakness", "reporting")
    name = "weakness_by_region"
    listed = frame.firsts(name)
    if not listed:
        return replace(section, notes=(frame.nothing(),))
    unnamed = [entry for entry in listed if is_zero(frame.figure(name, entry[0], "any"))]
    shares = [
        part["value"]
        for value, _ in listed
        if (part := frame.figure(name, value, "any", "share")) is not None and is_shown(part)
    ]
    by_region = Figure(
        "weakness-region",
        "Weakness by part of the body",
        f"Patients who reported on muscle weakness, {frame.when}: latest report for each part. In percent of "
        f"those who reported on it; {n_is(whole)}.",
        TableView(
            f"Patients who reported on muscle weakness, by part of the body and severity{of_n(whole)}",
            ("Part of the body", "Mild", "Moderate", "Severe", "Any, share (95 %)", "Moderate or severe, share (95 %)"),
            tuple(
                TableRow(
                    text,
                    tuple(number(frame.figure(name, value, level)) for level in _LEVELS[1:])
                    + tuple(
                        share(frame.figure(name, value, group, "share")) for group in ("any", "moderate_or_severe")
                    ),
                )
                for value, text in listed
            ),
        ),
        tuple(_region_row(frame, *entry) for entry in listed if entry not in unnamed),
        _SEVERITY_KEYS[1:],
        ("A patient may count in several parts. At the right: share with any severity, with its 95 % interval.",),
        (f"In the table only, since nobody named them: {'; '.join(text for _, text in unnamed)}.",) if unnamed else (),
        upper=axis_end(max(shares, default=1.0)),
    )
    figures = [by_region]
    if frame.table("weakness_by_cause"):
        figures.append(_causes(frame))
    return replace(section, figures=tuple(figures))


def _region_row(frame: Frame, value: str, text: str) -> Row:
    """A bar that ends at the share with any severity."""
    name = "weakness_by_region"
    part = frame.figure(name, value, "any", "share")
    if part is None or not is_shown(part):
        return Row(text, held="suppressed")
    return Row(text, with_interval(part), segments=_levels(frame, name, value, _LEVELS[1:], part["value"]))


def _causes(frame: Frame) -> Figure:
    name = "weakness_by_cause"
    whole = frame.figure("symptom_severity", "muscle_weakness", "any")
    rows, lines = [], []
    shares = [0.0]
    for value, text in frame.firsts(name):
        count, part = frame.figure(name, value), frame.figure(name, value, None, "share")
        lines.append(TableRow(text, (number(count), share(part))))
        if part is not None and is_shown(part):
            shares.append(part["high"])
            rows.append(
                Row(
                    text,
                    with_interval(part),
                    marks=(Mark(part["value"], part["low"], part["high"], charts.ACCENT),),
                )
            )
        else:
            rows.append(Row(text, held="suppressed"))
    return Figure(
        "weakness-cause",
        "What patients think is behind their weakness",
        f"Patients whose latest report, {frame.when}, says muscle weakness of any severity. "
        f"In percent of these, with 95 % intervals; {n_is(whole)}. A perception of the patient, not a finding.",
        TableView(
            f"Perceived cause of muscle weakness{of_n(whole)}",
            ("Perceived cause", "Patients", "Share (95 %)"),
            tuple(lines),
        ),
        tuple(rows),
        upper=axis_end(max(shares)),
    )
