"""States of a warehouse that tests of releases begin with, each made once a run: see the fixture `after`."""

from __future__ import annotations

import random

from warehouse_records import AS_OF_AT, Warehouse, as_uuid

from flows.stages.build import create
from flows.stages.lifecycle import approve, hold, stored
from flows.stages.release import Release, draft
from sql import statement


def fill(warehouse: Warehouse, number: int) -> None:
    dice = random.Random(7)
    for n in range(number):
        warehouse.patient(f"p{n}", sex=dice.choice(["female", "male"]), ms_course=dice.choice(["spms", "rrms"]))
        for symptom in ("fatigue", "muscle_weakness", "pain"):
            warehouse.add(
                "symptom_report",
                f"p{n}",
                symptom_code=symptom,
                severity=dice.randrange(4),
                reported_on=AS_OF_AT.date(),
                body_region="legs",
            )


def join(warehouse, *names, batch=2):
    """Patients who come with a batch."""
    for name in names:
        warehouse.add("patient", name, record=name, condition_code="ms", admitted_in=batch)
        warehouse.add(
            "consent", name, scope="aggregate_release", status="granted", effective_at=AS_OF_AT, admitted_in=batch
        )


def erase(warehouse, *names):
    for table in ("patient", "consent", "symptom_report"):
        warehouse.con.execute(
            f"DELETE FROM history.{table} WHERE list_contains($who::UUID[], patient_id)",
            {"who": [as_uuid(name) for name in names]},
        )


def drafted(warehouse, batch=1, at=AS_OF_AT) -> Release:
    warehouse.build_all(batch, at)
    return draft(warehouse.con, as_of_batch=batch, as_of_at=at, now=at, minimum_cell=11)


def drafted_without_news(warehouse, batch) -> Release:
    """A draft as of a batch with which no record came: of all marts only the one that names the batch is another."""
    warehouse.as_of(batch)
    create(warehouse.con, "as_of", statement("marts/as_of"))
    return draft(warehouse.con, as_of_batch=batch, as_of_at=AS_OF_AT, now=AS_OF_AT, minimum_cell=11)


def said_yes(warehouse, release) -> bool:
    return approve(warehouse.con, release.release_id, "looked at", AS_OF_AT)


def drafted_60(after):
    """One source has a basis of consent of its own, so that there is something to say of sources."""
    warehouse = after()
    fill(warehouse, 60)
    warehouse.ledger("source", source_system="visible", description="An app", fingerprint="f", consent_basis="terms")
    drafted(warehouse)
    return warehouse


def published_60(after):
    warehouse = after(drafted_60)
    said_yes(warehouse, stored(warehouse.con, 1))
    return warehouse


def held_60(after):
    warehouse = after(drafted_60)
    hold(warehouse.con, 1, "a source is missing", AS_OF_AT)
    return warehouse


def published_200(after):
    warehouse = after()
    fill(warehouse, 200)
    said_yes(warehouse, drafted(warehouse))
    return warehouse


def held_180(after):
    """200 are published; a draft of 180 is held."""
    warehouse = after(published_200)
    erase(warehouse, *(f"p{n}" for n in range(20)))
    hold(warehouse.con, drafted(warehouse, 2).release_id, "a source is missing", AS_OF_AT)
    return warehouse


def counts(made: Release) -> dict:
    """What is shown: by key, how many patients, and as of which batch."""
    return {
        row["cell_key"]: (row["value"], row["as_of_batch"])
        for row in made.frame.to_pylist()
        if row["statistic"] == "count" and row["state"] == "shown" and row["unit"] != "files"
    }
