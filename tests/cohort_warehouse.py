"""The clean synthetic cohort as the history of a warehouse in memory: marts over many seeds, without files, gate or ledger."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time

import duckdb
import pyarrow as pa

from flows.cohort.columns import Rows, patient_ids
from flows.cohort.model import BLOCK_SIZE, COHORT_ENDS_ON, Block, Variant, block_sizes, simulate_block
from flows.cohort.switches import make_switches
from flows.cohort.tables import make_tables
from flows.stages.build import create, marts
from flows.stages.functions import add_functions
from flows.warehouse import create_schema
from schemas.contract import contract
from sql import statement, statements

TABLES = ("patient", "consent", "symptom_report", "weekly_activity", "treatment_episode", "outcome_assessment")
ALL_TABLES = (*TABLES, "treatment_evaluation", "activity_limitation", "fall_report", "relapse")


def warehouse_of(
    patients: int,
    seed: int = 20250101,
    variant: Variant = "measured",
    report_probability: float = 0.80,
    tables: Sequence[str] = TABLES,
    has_switches: bool = False,
) -> duckdb.DuckDBPyConnection:
    """A warehouse that knows the first so many patients: all in batch 1, nobody withdrew, no dirt; planted switches if asked."""
    con = duckdb.connect(":memory:", config={"threads": "2"})
    con.execute("SET TimeZone = 'UTC'")
    for path in statements("macros"):
        con.execute(statement(path))
    create_schema(con, "test")
    for number, size in block_sizes(patients):
        block, end = simulate_block(seed, number, variant, report_probability), number * BLOCK_SIZE + size
        add_block(con, seed, block, end, tables)
        if has_switches:
            rows = make_switches(seed, block, make_tables(seed, block)["treatment_episode"])
            _insert(con, "treatment_episode", rows.take(rows.patient < end))
    con.execute("UPDATE history.consent SET status = 'granted'")
    return con


def add_block(
    con: duckdb.DuckDBPyConnection, seed: int, block: Block, end: int, tables: Sequence[str] = TABLES
) -> None:
    """The records of the patients of one block whose number is below `end`."""
    made = make_tables(seed, block)
    for table in tables:
        rows = made[table]
        _insert(con, table, rows.take(rows.patient < end))


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> None:
    delivered = {
        "record": rows.record_id,
        "patient": patient_ids(rows.patient),
        **{name: column for name, column in rows.columns.items() if name != "item_responses"},
    }
    values = {
        "record_id": "md5($table || record)::UUID",
        "patient_id": "md5(patient)::UUID",
        "source_system": "'canonical'",
        "is_deleted": "false",
        "row_hash": "(hash(record) >> 1)::BIGINT",
        "file_id": "1",
        "record_number": "row_number() OVER ()",
        "admitted_in": "1",
        "warnings": "[]",
    }
    for column in contract(table).row_columns:
        if column.name in delivered:
            is_list = column.sql_type.endswith("[]")
            text = f"string_split({column.name}, '|')" if is_list else column.name
            values[column.name] = f"{text}::{column.sql_type}"
    con.register("delivered", pa.table(delivered))
    con.execute(
        f"INSERT INTO history.{table} BY NAME SELECT "
        + ", ".join(f"{value} AS {name}" for name, value in values.items())
        + " FROM delivered",
        {"table": table},
    )
    con.unregister("delivered")


def build_some(con: duckdb.DuckDBPyConnection, *wanted: str) -> None:
    """Only these marts and those they read, as of the end of the cohort."""
    at = datetime.combine(COHORT_ENDS_ON.item(), time.max, UTC)
    con.execute("SET VARIABLE as_of_batch = 1")
    con.execute("SET VARIABLE as_of_at = $at", {"at": at})
    add_functions(con)
    con.execute("CREATE SCHEMA IF NOT EXISTS marts")
    needed: set[str] = set()
    for name in reversed(marts()):
        if name in wanted or name in needed:
            needed |= {name} | set(re.findall(r"\bmarts\.([a-z_]+)", statement(f"marts/{name}")))
    for name in marts():
        if name in needed:
            create(con, name, statement(f"marts/{name}"))
