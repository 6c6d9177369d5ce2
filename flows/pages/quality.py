"""The section on the quality of the data: files, records and codes, not patients."""

from __future__ import annotations

from dataclasses import replace

from flows.pages.views import Figure, Figures, Frame, Section, TableCell, TableRow, TableView, is_shown, number, share

_RULES_LISTED = 10


def data_quality(frame: Frame) -> Section:
    section = Section(
        "data-quality",
        "Quality of the data",
        "Counts of files, records and codes, not of patients, up to the same batch. Of the records of every admitted "
        "file: read = admitted + unchanged + duplicate + quarantined + out of scope. Counts of 1 to "
        f"{frame.release.minimum_cell - 1} records are held back like those of patients, since few records are the "
        "records of few.",
    )
    if not frame.table("accounting_records"):
        return replace(section, notes=("No file has been admitted yet.",))
    return replace(section, figures=(_accounting(frame), _rules(frame), _unmapped(frame), _sources(frame)))


def _accounting(frame: Frame) -> Figure:
    sources = frame.firsts("accounting_records")
    lines: list[TableRow] = []
    for unit, heading, entries in _ACCOUNTS:
        lines.append(TableRow(heading, is_heading=True))
        for entry, text in entries:
            cells = tuple(number(frame.figure(f"accounting_{unit}", value, entry)) for value, _ in sources)
            lines.append(TableRow(text, cells, is_indented=True))
    return Figure(
        "accounting",
        "What became of every file and record",
        f"Files and records by source, up to batch {frame.release.as_of_batch:,}.",
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
    shown: list[tuple[Figures, Figures | None]] = []
    hidden = 0
    for (value_1, value_2), cell in frame.table("rule_failure").items():
        if is_shown(cell["count"]):
            shown.append((cell["count"], frame.figure("rule_checked", value_1, value_2)))
        else:
            hidden += 1
    shown.sort(key=lambda entry: (-entry[0]["value"], entry[0]["label_1"], entry[0]["label_2"]))
    lines = tuple(
        TableRow(
            f"{failed['label_1']}: {failed['label_2'].replace('_', ' ')}",
            (
                number(failed),
                number(checked),
                share(frame.figure("rule_failure", failed["value_1"], failed["value_2"], "share")),
            ),
        )
        for failed, checked in shown[:_RULES_LISTED]
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
        "blanks a field or only warns.",
        TableView(
            "Table and rule, by rows that broke it",
            ("Table and rule", "Rows that broke it", "Rows checked", "Share"),
            lines,
        ),
        notes=tuple(notes),
        is_table_open=True,
    )


def _unmapped(frame: Frame) -> Figure:
    lines = tuple(
        TableRow(
            f"{value_1}: {str(value_2).replace('_', ' ')}",
            (number(cell["count"]), number(frame.figure("unmapped_records", value_1, value_2))),
        )
        for (value_1, value_2), cell in frame.table("unmapped_codes").items()
    )
    return Figure(
        "unmapped",
        "Codes that no code list knows",
        "Records of consented patients, of any condition. Such codes are kept and counted here; no figure of this "
        "report counts them.",
        TableView("Unknown codes and the records with one", ("Table and column", "Different codes", "Records"), lines),
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
