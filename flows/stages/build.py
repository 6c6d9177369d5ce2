"""Build: every mart from its SQL file, as of a batch and an instant. A mart is unsuppressed and stays inside."""

from __future__ import annotations

import re
from datetime import datetime
from graphlib import TopologicalSorter

import duckdb

from flows.stages.estimators import ESTIMATED, estimate
from flows.stages.functions import add_functions
from flows.warehouse import create_scores, transaction
from schemas.quoting import literal, quoted
from sql import statement, statements

_MART = re.compile(r"\bmarts\.([a-z_]+)")
_HEADER = re.compile(r"\A(?:-- .*\n)+")


def build(con: duckdb.DuckDBPyConnection, as_of_batch: int, as_of_at: datetime) -> None:
    """Make every table of `marts` anew, as of a batch and an instant, in one transaction.

    The session's variables stay set, so that what is read of `core` afterwards is read as of the same.
    """
    con.execute("SET VARIABLE as_of_batch = $batch", {"batch": as_of_batch})
    con.execute("SET VARIABLE as_of_at = $at", {"at": as_of_at})
    add_functions(con)
    names = marts()
    with transaction(con):
        con.execute("CREATE SCHEMA IF NOT EXISTS marts")
        create_scores(con)
        for (left_over,) in con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts'"
        ).fetchall():
            if left_over not in names:
                con.execute(f"DROP TABLE marts.{quoted(left_over)}")
        for name in names:
            select = statement(f"marts/{name}")
            create(con, name, select)
            con.execute(f"COMMENT ON TABLE marts.{quoted(name)} IS {literal(_header(select))}")


def create(con: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    """One mart from its statement; an estimated one from what `estimators` makes of the statement's rows."""
    if name not in ESTIMATED:
        con.execute(f"CREATE OR REPLACE TABLE marts.{quoted(name)} AS {select}")
        return
    con.register("estimated", estimate(name, con.execute(select).to_arrow_table()))
    try:
        con.execute(f"CREATE OR REPLACE TABLE marts.{quoted(name)} AS SELECT * FROM estimated")
    finally:
        con.unregister("estimated")


def marts() -> list[str]:
    """The names of all marts, each after those it reads."""
    return list(TopologicalSorter(reads()).static_order())


def reads() -> dict[str, list[str]]:
    """Which marts each mart reads."""
    selects = {path.removeprefix("marts/"): statement(path) for path in statements("marts")}
    return {name: sorted(marts_in(select) - {name}) for name, select in selects.items()}


def marts_in(query: str) -> set[str]:
    """The marts that a query reads."""
    return set(_MART.findall(re.sub(r"--.*", "", query)))


def _header(select: str) -> str:
    """What the file's header says: it becomes the table's comment, for those who query the published file."""
    found = _HEADER.match(select)
    return " ".join(line.removeprefix("-- ") for line in found.group(0).splitlines()) if found else ""
