"""A warehouse in memory, filled row by row: marts are tested without files, locks or the gate."""

from __future__ import annotations

import contextlib
import itertools
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

from flows.stages.build import build, create, marts, marts_in, reads
from flows.stages.cells import Cell, cells_of
from flows.stages.functions import add_functions
from flows.warehouse import create_schema, create_scores, insert_rows
from schemas.contract import contract, contracts
from schemas.quoting import literal
from sql import statement, statements

MARTS, READS = marts(), reads()
AS_OF_AT = datetime(2025, 6, 30, 12, tzinfo=UTC)
_MADE = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts'"


class Warehouse:
    """`add` writes a current version of a record; `mart` builds and reads a mart as dictionaries."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        # What was added and is not written yet, by table: DuckDB takes a millisecond for a row that comes alone.
        self._added: dict[str, list[dict[str, Any]]] = {}
        self._number = itertools.count(_last_number(con) + 1)
        self._made = {name for (name,) in con.execute(_MADE).fetchall()}

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The connection; whoever asks for it sees all that was added, of each table in its order."""
        for table in list(self._added):
            rows = self._added.pop(table)
            names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
            insert_rows(self._con, f"history.{table}", [{name: row[name] for name in names} for row in rows])
        return self._con

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
        self._added.setdefault(table, []).append(row | values)
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

    def as_of(self, as_of_batch: int = 1, as_of_at: datetime = AS_OF_AT) -> None:
        """What `build` makes known to a connection, and no file keeps: a batch, an instant, and the functions."""
        self.con.execute("SET VARIABLE as_of_batch = $batch", {"batch": as_of_batch})
        self.con.execute("SET VARIABLE as_of_at = $at", {"at": as_of_at})
        add_functions(self.con)

    def build(self, as_of_batch: int = 1, as_of_at: datetime = AS_OF_AT) -> None:
        """As of a batch and an instant; a mart is made when it is first read, for there are many."""
        self.as_of(as_of_batch, as_of_at)
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

    def cells(self, *topics: str) -> list[Cell]:
        """The cells of those statements of `sql/release` whose names begin with one of these words, by marts made where they lack."""
        found = []
        for path in statements("release"):
            if path.partition("_")[2].startswith(topics):
                self.make(*marts_in(statement(path)))
                found += cells_of(self.con, path)
        return found

    def rows(self, query: str) -> list[dict[str, Any]]:
        self.make(*marts_in(query))
        result = self.con.execute(query)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def as_uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def made_warehouse() -> duckdb.DuckDBPyConnection:
    """An empty warehouse. To copy one by `kept` and `opened` takes a tenth of the time: see the fixture `new_warehouse`."""
    con = _in_memory()
    for path in statements("macros"):
        con.execute(statement(path))
    create_schema(con, "test")
    return con


def nobody(after) -> Warehouse:
    """A state for the fixture `after`: all marts, of an empty warehouse."""
    warehouse = after()
    warehouse.build_all()
    return warehouse


@contextlib.contextmanager
def details_of_every_treatment() -> Iterator[None]:
    """Marts made meanwhile give details of treatments however few have taken them: a hundred patients a test would take long."""

    as_it_is = statement

    def eager(path: str, **parts: object) -> str:
        text = as_it_is(path, **parts)
        return re.sub(r"(>=|THEN) [13]00\b", r"\1 1", text) if path == "marts/treatment_taken" else text

    with mock.patch("flows.stages.build.statement", eager), mock.patch(f"{__name__}.statement", eager):
        yield


def kept(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write all that a warehouse holds to a file, for `opened`."""
    con.execute(f"ATTACH {literal(str(path))} AS kept")
    con.execute("COPY FROM DATABASE memory TO kept")
    con.execute("DETACH kept")


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory that holds what the file holds: no commit of a test waits for the disk."""
    con = _in_memory()
    con.execute(f"ATTACH {literal(str(path))} AS kept (READ_ONLY)")
    con.execute("COPY FROM DATABASE kept TO memory")
    con.execute("DETACH kept")
    return con


def _in_memory() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(":memory:", config={"threads": "1"})
    con.execute("SET TimeZone = 'UTC'")
    return con


def _last_number(con: duckdb.DuckDBPyConnection) -> int:
    numbers = " UNION ALL ".join(f"SELECT max(record_number) AS number FROM history.{c.table}" for c in contracts())
    (last,) = con.execute(f"SELECT coalesce(max(number), 0) FROM ({numbers})").fetchone() or (0,)
    return int(last)
