"""Releases of synthetic cohorts: everything that the report can say, drafted, approved and written."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import duckdb
from cohort_warehouse import ALL_TABLES, warehouse_of

from flows.cohort.model import COHORT_ENDS_ON
from flows.pages.report import write_report
from flows.stages.build import build
from flows.stages.cells import Cell, read_cells
from flows.stages.lifecycle import approve, stored
from flows.stages.release import draft

AS_OF_AT = datetime.combine(COHORT_ENDS_ON.item(), time.max, UTC)


def built(size: int, seed: int) -> duckdb.DuckDBPyConnection:
    """A warehouse with the marts of a cohort of so many patients."""
    con = warehouse_of(size, seed, tables=ALL_TABLES)
    build(con, 1, AS_OF_AT)
    return con


def cells_of(size: int, seed: int) -> list[Cell]:
    with built(size, seed) as con:
        return read_cells(con)


def release_of(size: int, seed: int, folder: Path) -> list[Cell]:
    """Draft, approve and write the release of a cohort; what is true of it."""
    with built(size, seed) as con:
        made = draft(con, as_of_batch=1, as_of_at=AS_OF_AT, now=AS_OF_AT, minimum_cell=11)
        approve(con, made.release_id, "test", AS_OF_AT)
        write_report(stored(con, made.release_id), folder)
        return read_cells(con)
