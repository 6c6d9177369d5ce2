"""Generated warehouses and their releases: the half of the attack test that knows the truth."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from flows.pages.report import write_report
from flows.stages.build import build
from flows.stages.cells import read_cells
from flows.stages.lifecycle import approve, stored
from flows.stages.release import Release, draft
from flows.warehouse import create_schema, insert_rows
from schemas.contract import contract
from schemas.quoting import quoted
from sql import statement, statements

AS_OF_AT = datetime(2025, 6, 30, 12, tzinfo=UTC)
SYMPTOMS = ("fatigue", "muscle_weakness", "pain", "spasticity")
TREATMENTS = {
    "physical_therapy": ("spasticity", "muscle_weakness"),
    "baclofen": ("spasticity",),
    "yoga": ("pain", "fatigue", "spasticity"),
}
RATINGS = ("major", "moderate", "slight", "none", "cant_tell")


class Generated:
    """A warehouse in memory whose patients, reports and treatments are drawn by a seed: some tables dense, some sparse."""

    def __init__(self, seed: int, patients: int) -> None:
        self.dice = random.Random(seed)
        self.batch = 0
        self._number = 0
        self.names: list[str] = []
        self.con = duckdb.connect(":memory:", config={"threads": "2"})
        self.con.execute("SET TimeZone = 'UTC'")
        for path in statements("macros"):
            self.con.execute(statement(path))
        create_schema(self.con, "test")
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self.shape = {
            "courses": self.dice.choices([1, 5, 30], k=5),
            "levels": [self.dice.choice([(4, 3, 2, 1), (40, 20, 3, 1), (1, 1, 1, 12)]) for _ in SYMPTOMS],
            "asked": [self.dice.choice([0.25, 0.9, 0.99]) for _ in SYMPTOMS],
            "taken": [self.dice.choice([0.1, 0.5]) for _ in TREATMENTS],
            "more": self.dice.choice([0.05, 0.4]),
        }
        self.join(patients)

    def _add(self, table: str, patient: str, record: str, **values: Any) -> None:
        self._number += 1
        row = {column.name: None for column in contract(table).row_columns}
        row |= {
            "record_id": _uuid(f"{table} {record}"), "patient_id": _uuid(patient), "source_system": "canonical", "is_deleted": False,
            "row_hash": self._number, "file_id": 1, "record_number": self._number, "admitted_in": self.batch, "warnings": [],
        }  # fmt: skip
        self._rows.setdefault(table, []).append({name: v for name, v in (row | values).items() if v is not None})

    def _write(self) -> None:
        for table, rows in self._rows.items():
            groups: dict[frozenset[str], list[dict[str, Any]]] = {}
            for row in rows:
                groups.setdefault(frozenset(row), []).append(row)
            for group in groups.values():
                insert_rows(self.con, f"history.{quoted(table)}", group)
        self._rows = {}

    def join(self, count: int) -> None:
        """So many patients come, with all that they report, as a batch of its own with its file."""
        self.batch += 1
        g, shape, before = self.dice, self.shape, self._number
        for _ in range(count):
            name = f"p{len(self.names)}"
            self.names.append(name)
            course = g.choices(["rrms", "spms", "ppms", "cis", None], shape["courses"])[0]
            self._add(
                "patient", name, name, condition_code="ms", sex=g.choices(["female", "male", "other"], [70, 28, 2])[0],
                birth_year=g.choices([1950, 1965, 1975, 1985, 2001], [5, 30, 40, 20, 1])[0], ms_course=course,
                last_relapse_on=AS_OF_AT.date() - timedelta(days=g.choice([200, 2000])) if course == "spms" and g.random() < 0.8 else None,
            )  # fmt: skip
            if g.random() < 0.97:
                self._add(
                    "consent",
                    name,
                    name,
                    scope="aggregate_release",
                    status="granted",
                    effective_at=AS_OF_AT - timedelta(days=400),
                )
            self._reports(name)
            self._treatments(name)
        self._write()
        self._ledger(self._number - before)

    def _reports(self, name: str) -> None:
        g, shape = self.dice, self.shape
        for number, symptom in enumerate(SYMPTOMS):
            if g.random() > shape["asked"][number]:
                continue
            for region in (
                g.sample(["legs", "arms_hands", "torso", "face"], g.choice([1, 1, 2]))
                if symptom == "muscle_weakness"
                else [None]
            ):
                self._add(
                    "symptom_report", name, f"{name} {symptom} {region}", symptom_code=symptom,
                    severity=g.choices(range(4), shape["levels"][number])[0], body_region=region,
                    reported_on=AS_OF_AT.date() - timedelta(days=g.choice([3, 30])),
                    perceived_cause=g.choices(["direct_nerve", "indirect_deconditioning", "both", None], [20, 5, 1, 10])[0],
                )  # fmt: skip

    def _treatments(self, name: str) -> None:
        g, shape = self.dice, self.shape
        for number, (treatment, purposes) in enumerate(TREATMENTS.items()):
            if g.random() > shape["taken"][number]:
                continue
            episode = f"{name} {treatment}"
            self._add(
                "treatment_episode", name, episode, treatment_code=treatment, started_on=AS_OF_AT.date() - timedelta(days=90),
                purpose_codes=[],
            )  # fmt: skip
            for purpose in {p for p in purposes if g.random() < shape["more"]} or {purposes[0]}:
                self._add(
                    "treatment_evaluation", name, f"{episode} {purpose}", episode_id=_uuid(f"treatment_episode {episode}"),
                    purpose_code=purpose, effectiveness=g.choices([*RATINGS, None], [6, 5, 4, 2, 1, 6])[0],
                )  # fmt: skip

    def _ledger(self, records: int) -> None:
        """The batch, its one file and one rule that some records broke."""
        at = AS_OF_AT - timedelta(days=9 - self.batch)
        refused, unchanged = self.dice.choice([0, 3, 30]), self.dice.choice([0, 2, 40])
        insert_rows(
            self.con,
            "ops.batch",
            [{"batch_id": self.batch, "source_system": "canonical", "committed_at": at, "file_count": 1}],
        )
        file = {
            "file_id": self.batch, "source_system": "canonical", "sha256": f"s{self.batch}", "file_key": f"k{self.batch}",
            "file_name": "symptom_report.csv", "byte_count": 1, "status": "admitted", "verdict": "pass", "reasons": [], "batch_id": self.batch,
            "decided_at": at, "fingerprint": "f", "read_count": records + refused + unchanged, "independent_count": records + refused + unchanged,
            "admitted_count": records, "unchanged_count": unchanged, "duplicate_count": 0, "quarantined_count": refused,
            "out_of_scope_count": 0, "warned_count": 0, "erased_count": 0,
        }  # fmt: skip
        insert_rows(self.con, "ops.file", [file])
        rule = {
            "file_id": self.batch, "table_name": "symptom_report", "rule": "severity_unknown_value", "action": "refuse",
            "dimension": "conformance", "checked_count": records + refused, "failed_count": refused,
        }  # fmt: skip
        insert_rows(self.con, "ops.rule_result", [rule])

    def leave(self, count: int) -> None:
        """So many of the patients are erased."""
        gone = self.dice.sample(self.names, count)
        self.names = [name for name in self.names if name not in gone]
        for table in ("patient", "consent", "symptom_report", "treatment_episode", "treatment_evaluation"):
            self.con.execute(
                f"DELETE FROM history.{quoted(table)} WHERE list_contains($who::UUID[], patient_id)",
                {"who": [_uuid(n) for n in gone]},
            )

    def change(self, share: float) -> None:
        """This share of all reports says another severity now."""
        self.batch += 1
        self.con.execute(
            "UPDATE history.symptom_report SET severity = (severity + 1) % 4 WHERE hash(record_id, $batch) % 1000 < $share * 1000",
            {"batch": self.batch, "share": share},
        )

    def release(self, folder: Path) -> tuple[Release, Truth]:
        """Draft, approve and write a release; with what is true of every cell of it."""
        build(self.con, self.batch, AS_OF_AT)
        made = draft(self.con, as_of_batch=self.batch, as_of_at=AS_OF_AT, now=AS_OF_AT, minimum_cell=11)
        approve(self.con, made.release_id, "test", AS_OF_AT)
        write_report(stored(self.con, made.release_id), folder)
        return made, self.truth()

    def truth(self) -> Truth:
        cells = [cell for cell in read_cells(self.con) if cell.is_guarded]
        return Truth({c.cell_key: c.cell_count for c in cells}, {c.cell_key: c.patient_set for c in cells})


@dataclass(frozen=True)
class Truth:
    """Of every cell its count, and a fingerprint of its patients (None for records)."""

    counts: dict[str, int]
    sets: dict[str, int | None]


def moved(before: Truth, after: Truth) -> Callable[[str, str | None], int]:
    """How many at least joined or left the patients of a cell, or of a whole without a part. A patient turns one bit of 64."""

    def count(whole: str, part: str | None = None) -> int:
        keys = [key for key in (whole, part) if key is not None]
        if any(key not in truth.counts for key in keys for truth in (before, after)):
            return 0
        old, new = (t.counts[whole] - (t.counts[part] if part else 0) for t in (before, after))
        marks = [truth.sets[key] for key in keys for truth in (before, after)]
        if None in marks:
            return abs(new - old)
        changed = 0
        for mark in marks:
            changed ^= mark or 0
        return max(abs(new - old), (changed & (2**64 - 1)).bit_count(), int(changed != 0))

    return count


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))
