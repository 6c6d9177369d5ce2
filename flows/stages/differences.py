"""How one release differs from another: its figures, of the frames; and for operators the records behind them, by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from schemas.contract import TABLES
from schemas.quoting import quoted
from sql import statement

# The day that a record speaks of, by which a late one is told from a new one. Consents are no figures: their end withdraws.
DAY_OF = {
    "patient": "enrolled_on",
    "symptom_report": "reported_on",
    "treatment_episode": "started_on",
    "treatment_evaluation": "evaluated_on",
    "outcome_assessment": "assessed_on",
    "activity_limitation": "reported_on",
    "fall_report": "period_ended_on",
    "relapse": "started_on",
    "weekly_activity": "week_starting_on",
}


@dataclass(frozen=True)
class FigureDifference:
    """What became of the figures of one table. These are numbers of figures, and say nothing that the two frames do not."""

    topic: str
    table_id: str
    unchanged: int
    changed: int
    new: int
    gone: int
    newly_suppressed: int
    newly_shown: int
    shown_as_before: int


def figure_differences(
    before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]
) -> list[FigureDifference]:
    """Compare two frames, row by row, per table; in the order of the later frame, tables that are gone last.

    A figure that stands as an earlier release had shown it, since too few patients changed, is `shown_as_before`.
    """
    old = {_place(row): row for row in before}
    fresh = {_place(row): row for row in after}
    found: dict[tuple[str, str], Counter[str]] = {}
    as_of = _as_of(fresh.values())
    for place, row in fresh.items():
        counts = found.setdefault((row["topic"], row["table_id"]), Counter())
        counts[_what_became(old.get(place), row, as_of)] += 1
    for place, row in old.items():
        counts = found.setdefault((row["topic"], row["table_id"]), Counter())
        if place not in fresh:
            counts["gone"] += 1
    kinds = ("unchanged", "changed", "new", "gone", "newly_suppressed", "newly_shown", "shown_as_before")
    return [
        FigureDifference(topic, table, **{kind: counts[kind] for kind in kinds})
        for (topic, table), counts in found.items()
    ]


def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["table_id"], row["cell_key"], row["statistic"]


def _as_of(rows: Iterable[Mapping[str, Any]]) -> tuple[int, datetime] | None:
    """Batch and instant of the frame itself: the last of its rows'."""
    return max(((row["as_of_batch"], row["as_of_at"]) for row in rows), default=None)


def _what_became(old: Mapping[str, Any] | None, row: Mapping[str, Any], as_of: tuple[int, datetime] | None) -> str:
    if old is None:
        return "new"
    if (row["as_of_batch"], row["as_of_at"]) != as_of:
        return "shown_as_before"
    if row["state"] != old["state"]:
        return "newly_shown" if row["state"] == "shown" else "newly_suppressed"
    figures = ("n_patients", "denominator", "value", "low", "high")
    return "unchanged" if all(row[name] == old[name] for name in figures) else "changed"


@dataclass(frozen=True)
class RecordDifference:
    """Why the records of one table that are counted are others than in an earlier release. For operators: it stays inside."""

    table_name: str
    new_count: int
    late_count: int
    corrected_count: int
    withdrawn_count: int


@dataclass(frozen=True)
class AsOf:
    """What was known and at which instant."""

    batch: int
    at: datetime


def record_differences(con: duckdb.DuckDBPyConnection, before: AsOf, after: AsOf) -> list[RecordDifference]:
    """Per table, the counted records that are new, late, corrected and withdrawn between two releases.

    Works on any connection, also one that may only read: it makes temporary tables and leaves the session's variables as of
    `after`.
    """
    found = []
    for table in TABLES:
        if table not in DAY_OF:
            continue
        for target, as_of in (("record_before", before), ("record_after", after)):
            _note_visible(con, table, target, as_of, before.at.date())
        counts = con.execute(statement("lifecycle/record_differences")).fetchone() or (0, 0, 0, 0)
        found.append(RecordDifference(table, *counts))
    for target in ("record_before", "record_after"):
        con.execute(f"DROP TABLE {quoted(target)}")
    return found


def _note_visible(con: duckdb.DuckDBPyConnection, table: str, target: str, as_of: AsOf, until: date) -> None:
    con.execute("SET VARIABLE as_of_batch = $batch", {"batch": as_of.batch})
    con.execute("SET VARIABLE as_of_at = $at", {"at": as_of.at})
    select = statement(
        "lifecycle/visible_records",
        target=quoted(target),
        view=f"core.{quoted('consented_' + table)}",
        day=quoted(DAY_OF[table]),
    )
    con.execute(select, {"until": until})
