"""Find a member by the id their source knows them by, and read what the published file holds of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import duckdb

from flows.errors import NotFoundError, UsageError
from flows.settings import Workspace
from flows.stages import erase, land
from flows.visit.period import NEAR_DAYS, Period
from flows.warehouse import snapshot
from schemas.sources import Source
from sql import statement

Row = dict[str, Any]


@dataclass(frozen=True)
class Records:
    """A member's current records of the twelve months and of what these are compared with. Nothing in it names them."""

    source: Source
    period: Period
    batch_id: int | None
    committed_at: datetime | None
    last_on: date | None
    patient: Row
    symptom_days: list[Row]
    assessments: list[Row]
    episodes: list[Row]
    evaluations: list[Row]
    falls: list[Row]
    weeks: list[Row]
    limitations: list[Row]
    relapses: list[Row]


def read_records(workspace: Workspace, source_patient_id: str, source_name: str, on: date) -> Records:
    """The records of one member, known at the source by this id, in the twelve months up to a day.

    Raises UsageError if the source is unknown or the key is not the one the pseudonyms were made with, NotFoundError if the
    workspace has no key, nothing was published, or nobody is known by that id. No message holds the id.
    """
    source = land.known_source(land.known_sources(workspace.root / "sources"), source_name)
    who = erase.person(workspace, source, source_patient_id)
    period = Period.up_to(on)
    with snapshot(workspace) as con:
        # Ages and courses are as of the end of the sheet's day.
        con.execute("SET VARIABLE as_of_at = $at", {"at": datetime.combine(on, time.max, UTC)})
        state = _rows(con, "state")[0]
        if state["key_mark"] != workspace.key_mark():
            raise UsageError(
                f"{workspace.snapshot}: its pseudonyms were made with another key, so nobody can be found in it. Put that key back."
            )
        (forgotten,) = _rows(con, "forgotten", source=source.name, tombstone=who.tombstone)
        found = [] if forgotten["is_forgotten"] else _rows(con, "patient", patient=who.patient_id)
        if not found:
            raise NotFoundError(
                f"nobody is known by that id under source '{source.name}'. See that the id is written as the source writes it, "
                "and that the member's own record has been ingested."
            )
        return _read(con, who.patient_id, source, period, state, found[0])


def _read(
    con: duckdb.DuckDBPyConnection, patient_id: UUID, source: Source, period: Period, state: Row, patient: Row
) -> Records:
    until = {"patient": patient_id, "until": period.end}
    compared = {**until, "since": period.since}
    return Records(
        source=source,
        period=period,
        batch_id=state["batch_id"],
        committed_at=state["committed_at"],
        last_on=_rows(con, "last_record", **until)[0]["last_on"],
        patient=patient,
        symptom_days=_rows(con, "symptom_day", **compared),
        assessments=_rows(con, "assessment", **compared),
        episodes=_rows(con, "episode", **until),
        evaluations=_rows(con, "evaluation", **until),
        falls=_rows(con, "fall", **{**until, "since": period.before.start}),
        weeks=_rows(con, "week", **{**until, "since": period.since}),
        limitations=_rows(con, "limitation", **compared),
        # What a score means in the weeks after a relapse is another matter.
        relapses=_rows(con, "relapse", **{**until, "since": period.since - timedelta(days=NEAR_DAYS)}),
    )


def _rows(con: duckdb.DuckDBPyConnection, name: str, **bound: Any) -> list[Row]:
    """The rows of `sql/visit/<name>.sql`, by column name."""
    result = con.execute(statement(f"visit/{name}"), bound)
    columns = [column[0] for column in result.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
