"""A warehouse in memory, filled row by row: marts are tested without files, locks or the gate."""

from __future__ import annotations

import itertools
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import duckdb

from flows.stages.build import build, create, marts, reads
from flows.stages.functions import add_functions
from flows.warehouse import create_schema, create_scores, insert_rows
from schemas.contract import contract
from sql import statement, statements

MARTS, READS = marts(), reads()
AS_OF_AT = datetime(2025, 6, 30, 12, tzinfo=UTC)


class Warehouse:
    """`add` writes a current version of a record; `mart` builds and reads a mart as dictionaries."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self._number = itertools.count(1)
        self._made: set[str] = set()

    def add(self, table: str, patient: str, source: str = "canonical", **values: Any) -> str:
        number = next(self._number)
        record = values.pop("record", f"{table}-{number}")
        row: dict[str, Any] = {column.name: None for column in contract(table).row_columns}
        row |= {
            "record_id": as_uuid(f"{table} {record}"),
            "patient_id": as_uuid(patient),
            "source_system": source,
            "is_deleted": False,
            "row_hash": number,
            "file_id": 1,
            "record_number": number,
            "admitted_in": 1,
            "warnings": [],
        }
        if "episode" in values:
            values["episode_id"] = as_uuid(f"treatment_episode {values.pop('episode')}")
        unknown = set(values) - set(row)
        assert not unknown, unknown
        names = [name for name, value in (row | values).items() if value is not None]
        places = ", ".join(f"${name}" for name in names)
        merged = row | values
        self.con.execute(
            f"INSERT INTO history.{table} ({', '.join(names)}) VALUES ({places})",
            {name: merged[name] for name in names},
        )
        return record

    def patient(self, name: str, *, consented: bool = True, source: str = "canonical", **values: Any) -> None:
        self.add("patient", name, source, record=name, **({"condition_code": "ms"} | values))
        if consented:
            granted = {
                "scope": "aggregate_release",
                "status": "granted",
                "effective_at": datetime(2020, 1, 1, tzinfo=UTC),
            }
            self.add("consent", name, source, **granted)

    def ledger(self, table: str, **values: Any) -> None:
        insert_rows(self.con, f"ops.{table}", [values])

    def build(self, as_of_batch: int = 1, as_of_at: datetime = AS_OF_AT) -> None:
        """As of a batch and an instant; a mart is made when it is first read, for there are many."""
        self.con.execute("SET VARIABLE as_of_batch = $batch", {"batch": as_of_batch})
        self.con.execute("SET VARIABLE as_of_at = $at", {"at": as_of_at})
        add_functions(self.con)
        self.con.execute("CREATE SCHEMA IF NOT EXISTS marts")
        create_scores(self.con)
        self._made = set()

    def build_all(self, as_of_batch: int = 1, as_of_at: datetime = AS_OF_AT) -> None:
        build(self.con, as_of_batch, as_of_at)
        self._made = set(MARTS)

    def mart(self, name: str) -> list[dict[str, Any]]:
        return self.rows(f"SELECT * FROM marts.{name}")

    def make(self, *names: str) -> None:
        """These marts and those they read, as far as they are not there yet."""
        wanted = list(names)
        for name in wanted:
            wanted += [read for read in READS[name] if read not in wanted]
        for name in MARTS:
            if name in wanted and name not in self._made:
                create(self.con, name, statement(f"marts/{name}"))
                self._made.add(name)

    def rows(self, query: str) -> list[dict[str, Any]]:
        self.make(*re.findall(r"\bmarts\.([a-z_]+)", query))
        result = self.con.execute(query)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def as_uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def new_warehouse() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(":memory:", config={"threads": "1"})
    con.execute("SET TimeZone = 'UTC'")
    for path in statements("macros"):
        con.execute(statement(path))
    create_schema(con, "test")
    return con
