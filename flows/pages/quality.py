"""The figures on the quality of the data: files, records and codes, not patients."""

from __future__ import annotations

from flows.pages.figures import Figure
from flows.pages.frame import Cell, Figures, Frame
from flows.pages.lines import TableRow, TableView
from flows.pages.words import TableCell, is_shown, table_cell

_RULES_LISTED = 10
_TABLES = {
    "consent": "Consents",
    "patient": "Patients",
    "relapse": "Relapses",
    "symptom_report": "Symptom reports",
    "activity_limitation": "Activity limitations",
    "weekly_activity": "Weekly activity",
    "fall_report": "Fall reports",
    "treatment_episode": "Treatments",
    "treatment_evaluation": "Ratings of treatments",
    "outcome_assessment": "Assessments",
}
# Columns whose name is no words once its underscores are spaces.
_COLUMNS = {
    "assessed_at": "time of the assessment",
    "assessed_on": "day of the assessment",
    "effective_at": "time of the decision",
    "enrolled_on": "day of enrolment",
    "episode_id": "treatment that is rated",
    "evaluated_on": "day of the rating",
    "height_cm": "height",
    "is_deleted": "mark of deletion",
    "is_relapse_free_24_months": "freedom from relapses for 24 months",
    "is_steroid_treated": "treatment with steroids",
    "is_worse_after_exertion": "worsening after exertion",
    "is_worse_with_heat": "worsening with heat",
    "last_active_on": "last active day",
    "last_confirmed_on": "day of the last confirmation",
    "last_relapse_on": "day of the last relapse",
    "period_ended_on": "end of the period",
    "period_started_on": "start of the period",
    "prescribed_by": "prescriber",
    "progression_started_on": "start of the progression",
    "reported_on": "day of the report",
    "source_patient_id": "id of the patient",
    "source_record_id": "id of the record",
    "source_updated_at": "time of the last change",
    "started_on": "start",
    "stopped_on": "stop",
    "week_starting_on": "first day of the week",
    "weight_kg": "weight",
}
_FAULTS = {
    "missing": "missing",
    "unknown_value": "not one of the allowed values",
    "unknown_code": "not in its code list",
    "unreadable": "not readable",
    "out_of_range": "out of range",
    "too_early": "too long ago",
    "in_future": "in the future",
    "malformed": "not of the required form",
    "too_long": "too long",
}


def rule_in_words(table: str, name: str) -> str:
    """A rule as readers know it: of one column by its kind, any other as its contract says it."""
    from schemas.contract import TABLES, contract

    said = (
        next((rule.message for rule in contract(table).rules if rule.name == name), None) if table in TABLES else None
    )
    if said is None:
        found = next((fault for fault in _FAULTS if name.endswith(f"_{fault}")), None)
        said = f"{_column_words(name.removesuffix(f'_{found}'))} {_FAULTS[found]}" if found else name.replace("_", " ")
    return f"{_table_words(table)}: {said}"


def _table_words(table: str) -> str:
    return _TABLES.get(table, table.replace("_", " "))


def _column_words(column: str) -> str:
    """The words for a column; a code is called by what it stands for."""
    stem, _, kind = column.rpartition("_")
    if kind in ("code", "codes"):
        return stem.replace("_", " ") + ("s" if kind == "codes" else "")
    if kind == "precision":
        return f"precision of the {_column_words(stem)}"
    return _COLUMNS.get(column, column.replace("_", " "))


def quality_figures(frame: Frame) -> list[Figure]:
    """What became of the records, which rules they broke, which codes are unknown, where they come from."""
    if "accounting_records" not in frame.tables:
        return []
    return [_accounting(frame), _rules(frame), _unmapped(frame), _sources(frame)]


def _accounting(frame: Frame) -> Figure:
    sources = frame.firsts("accounting_records")
    lines: list[TableRow] = []
    for unit, heading, entries in _ACCOUNTS:
        lines.append(TableRow(heading, is_heading=True))
        for entry, text in entries:
            cells = tuple(table_cell(frame.figure(f"accounting_{unit}", value, entry)) for value, _ in sources)
            lines.append(TableRow(text, cells, is_indented=True))
    return Figure(
        "accounting",
        "What became of every file and record",
        f"Files and records by source, up to batch {frame.release.as_of_batch:,}. Records of files that hold nothing but "
        "patients or consents are not counted here: their number would be one of people.",
        TableView(
            "Files, and records of the admitted files, by source",
            ("Files and records", *(text for _, text in sources)),
            tuple(lines),
        ),
        is_table_open=True,
    )


_ACCOUNTS = (
    (
        "files",
        "Files",
        (
            ("admitted", "Admitted"),
            ("held", "Held"),
            ("refused", "Refused"),
            ("unreadable", "Unreadable"),
            ("unbalanced", "Admitted, but records do not add up"),
        ),
    ),
    (
        "records",
        "Records of the admitted files",
        (
            ("read", "Read"),
            ("admitted", "= admitted"),
            ("unchanged", "+ unchanged"),
            ("duplicate", "+ duplicate"),
            ("quarantined", "+ quarantined"),
            ("out_of_scope", "+ out of scope"),
        ),
    ),
)


def _rules(frame: Frame) -> Figure:
    shown: list[tuple[Figures, Cell]] = []
    hidden = 0
    for cell in frame.tables.get("rule_failure", ()):
        count = cell.get("count")
        if count is not None and is_shown(count):
            shown.append((count, cell))
        else:
            hidden += 1
    shown.sort(key=lambda entry: (-entry[0]["value"], entry[1].label_1, entry[1].label_2 or ""))
    lines = tuple(
        TableRow(
            rule_in_words(cell.value_1, cell.value_2 or ""),
            (
                table_cell(failed),
                table_cell(frame.figure("rule_checked", cell.value_1, cell.value_2)),
                table_cell(cell.get("share")),
            ),
        )
        for failed, cell in shown[:_RULES_LISTED]
    )
    notes = []
    if len(shown) > _RULES_LISTED:
        notes.append(f"{len(shown) - _RULES_LISTED:,} more rules stand in release.csv.")
    if hidden:
        notes.append(f"{hidden:,} further rules failed in so few records that the count is suppressed.")
    if not shown and not hidden:
        notes.append("No record broke a rule.")
    return Figure(
        "rules",
        "Rules that most records broke",
        f"Rows of the admitted files, up to batch {frame.release.as_of_batch:,}. A broken rule refuses the record, "
        "blanks a field or only warns. release.csv has each under its name in the contract.",
        TableView(
            "Rules, by rows that broke them",
            ("Rule", "Rows that broke it", "Rows checked", "Share"),
            lines,
        ),
        table_notes=tuple(notes),
        is_table_open=True,
    )


def _unmapped(frame: Frame) -> Figure:
    lines = tuple(
        TableRow(
            f"{_table_words(cell.value_1)}: {_column_words(str(cell.value_2))}",
            (table_cell(cell.get("count")), table_cell(frame.figure("unmapped_records", cell.value_1, cell.value_2))),
        )
        for cell in frame.tables.get("unmapped_codes", ())
    )
    return Figure(
        "unmapped",
        "Codes that no code list knows",
        "Records of consented patients, of any condition. Such codes are kept and counted here; no figure of this "
        "report counts them.",
        TableView("Unknown codes and the records with one", ("Where", "Different codes", "Records"), lines),
        is_table_open=True,
    )


def _sources(frame: Frame) -> Figure:
    lines = tuple(
        TableRow(
            source.source_system,
            (
                TableCell(source.description, "text"),
                TableCell(source.consent_basis or "Each patient’s own consent", "text"),
            ),
        )
        for source in frame.release.sources
    )
    return Figure(
        "sources",
        "Sources and on what basis their patients are counted",
        "Without a basis of the source, only patients who themselves agreed to be counted in such reports are.",
        TableView("Sources", ("Source", "What it is", "Basis of consent"), lines),
        is_table_open=True,
    )
