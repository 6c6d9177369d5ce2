"""The sections on patients and their symptoms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from flows.pages import charts
from flows.pages.charts import Mark, Row, Segment
from flows.pages.views import (
    NOTHING,
    Figure,
    Figures,
    Frame,
    Key,
    Section,
    TableRow,
    TableView,
    axis_end,
    is_shown,
    number,
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
    lines = []
    rows = []
    for (_, value_2), cell in cells.items():
        count, part = cell["count"], cell.get("share")
        text = count["label_2"] if value_2 else count["label_1"]
        is_empty = is_shown(count) and not count["value"]
        lines.append(TableRow(text, (number(count), share(part)), is_indented=value_2 is not None))
        if is_empty:
            continue
        shown = part is not None and is_shown(part)
        rows.append(
            Row(
                text,
                f"{plain(count)} · {percent(part)}" if part is not None and shown else "",
                (Segment(part["value"], charts.ACCENT_SOFT if value_2 else charts.ACCENT, ""),)
                if part is not None and shown
                else (),
                is_suppressed=not is_shown(count),
                is_indented=value_2 is not None,
            )
        )
    largest = max((segment.share for row in rows for segment in row.segments), default=1.0)
    return Figure(
        name.replace("_", "-"),
        title,
        f"{subtitle}, {frame.as_of}. n = {plain(total)}.",
        TableView(f"{title}: patients and share of all {plain(total)}", (title, "Patients", "Share"), tuple(lines)),
        tuple(rows),
        upper=axis_end(largest),
        notes=("Groups in which there is nobody are left out of the drawing and stand in the table.",)
        if any(is_shown(cell["count"]) and not cell["count"]["value"] for cell in cells.values())
        else (),
    )


def _has_patients(total: Figures | None) -> bool:
    return total is not None and (total["state"] == "suppressed" or bool(total["value"]))


_SEVERITY_KEYS = tuple(Key(f"ramp-{i}", text) for i, text in enumerate(("None", "Mild", "Moderate", "Severe")))
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
        return replace(section, notes=(NOTHING,))
    order = sorted(
        listed, key=lambda entry: (-sort_share(frame.figure(name, entry[0], "moderate_or_severe", "share")), entry[1])
    )
    of_whom = f"Patients who reported on the symptom, {frame.when}."
    prevalence = Figure(
        "prevalence",
        "How many have the symptom",
        f"{of_whom} Share with any and with moderate or severe severity; lines are 95 % intervals.",
        _severity_table(
            frame, name, order, "Symptom", "Share with the symptom, in % with 95 % interval", is_share=True
        ),
        tuple(_interval_row(frame, name, value, text, "reporting") for value, text in order),
        _INTERVAL_KEYS,
        (
            "A line is the 95 % interval after Wilson. n is the number of patients who reported on the symptom.",
            "Where a point is missing, that share is suppressed.",
        ),
    )
    severity = Figure(
        "severity",
        "How severe it is",
        f"{of_whom} Severity in the latest report, in percent of n.",
        _severity_table(frame, name, order, "Symptom", "Patients by severity", is_share=False),
        tuple(
            _severity_row(frame, name, value, text, _LEVELS, frame.figure(name, value, "reporting"))
            for value, text in order
        ),
        _SEVERITY_KEYS,
        (
            "One report a patient: the latest; where one day has several parts of the body, the worst of them.",
            "Hatched: levels of which at least one is suppressed.",
        ),
    )
    return replace(section, figures=(prevalence, severity))


def _interval_row(frame: Frame, name: str, value: str, text: str, whole: str) -> Row:
    marks = []
    for group, fill in (("any", charts.ACCENT_SOFT), ("moderate_or_severe", charts.ACCENT)):
        part = frame.figure(name, value, group, "share")
        if part is not None and is_shown(part):
            marks.append(Mark(part["value"], part["low"], part["high"], fill))
    note = f"n = {plain(frame.figure(name, value, whole))}" if is_shown(frame.figure(name, value, whole)) else ""
    # Beside a single far point there is room to say that the other is held back; a note below says so for all.
    has_room = (
        len(marks) == 1
        and not is_shown(frame.figure(name, value, "moderate_or_severe", "share"))
        and marks[0].low > 0.34
    )
    return Row(text, note, marks=tuple(marks), is_suppressed=not marks or has_room)


def _severity_row(frame: Frame, name: str, value: str, text: str, levels: Sequence[str], whole: Figures | None) -> Row:
    segments = []
    for level in levels:
        part = frame.figure(name, value, level, "share")
        if part is not None and is_shown(part):
            at = _LEVELS.index(level)
            segments.append(Segment(part["value"], charts.RAMP[at], charts.ON_RAMP[at]))
    if not segments or not is_shown(whole):
        return Row(text, "", is_suppressed=True)
    rest = 1 - sum(segment.share for segment in segments)
    if any(not is_shown(frame.figure(name, value, level, "share")) for level in levels) and rest > 1e-9:
        segments.append(Segment(rest, charts.HATCH, "", is_suppressed=True))
    return Row(text, f"n = {plain(whole)}", tuple(segments))


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
    regions = [
        entry
        for entry in frame.firsts("weakness_by_region")
        if not (is_shown(any_ := frame.figure("weakness_by_region", entry[0], "any")) and any_ and not any_["value"])
    ]
    if not frame.table("weakness_by_region"):
        return replace(section, notes=(NOTHING,))
    n = plain(whole)
    name = "weakness_by_region"
    listed = frame.firsts(name)
    shares = [
        part["value"]
        for value, _ in listed
        if (part := frame.figure(name, value, "any", "share")) is not None and is_shown(part)
    ]
    by_region = Figure(
        "weakness-region",
        "Weakness by part of the body",
        f"Patients who reported on muscle weakness, {frame.when}: latest report for each part. In percent of n = {n}.",
        TableView(
            f"Patients by part of the body and severity, of {n} who reported on muscle weakness",
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
        tuple(_region_row(frame, value, text) for value, text in regions),
        _SEVERITY_KEYS[1:],
        (
            "A patient may count in several parts. At the right: share with any severity, with its 95 % interval.",
            "Parts which nobody named are left out of the drawing and stand in the table.",
        ),
        upper=axis_end(max(shares, default=1.0)),
    )
    figures = [by_region]
    if frame.table("weakness_by_cause"):
        figures.append(_causes(frame))
    return replace(section, figures=tuple(figures))


def _region_row(frame: Frame, value: str, text: str) -> Row:
    part = frame.figure("weakness_by_region", value, "any", "share")
    row = _severity_row(frame, "weakness_by_region", value, text, _LEVELS[1:], part)
    if row.is_suppressed or part is None:
        return row
    # The bar ends at the share with any severity; what is missing from it is suppressed, not absent.
    segments = tuple(segment for segment in row.segments if not segment.is_suppressed)
    rest = part["value"] - sum(segment.share for segment in segments)
    if rest > 1e-9:
        segments += (Segment(rest, charts.HATCH, "", is_suppressed=True),)
    return replace(row, note=with_interval(part), segments=segments)


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
            rows.append(Row(text, is_suppressed=True))
    n = plain(whole)
    return Figure(
        "weakness-cause",
        "What patients think is behind their weakness",
        f"Patients whose latest report, {frame.when}, says muscle weakness of any severity. "
        f"In percent of n = {n}, with 95 % intervals.",
        TableView(
            f"Perceived cause of muscle weakness, of {n} patients",
            ("Perceived cause", "Patients", "Share (95 %)"),
            tuple(lines),
        ),
        tuple(rows),
        notes=("A perception of the patient, not a finding.",),
        upper=axis_end(max(shares)),
    )
