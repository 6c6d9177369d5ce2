"""The gate's auditor: Great Expectations on the rows that are about to be admitted, through our own DuckDB datasource.

The suites come from the contracts. They decide nothing that the row checks did not decide before; they hold our own SQL
against the work of others. Results are kept without values: patients' records must not be in Data Docs.

The package takes seconds to import, so this module is imported only where a gate is about to judge.
"""

# ruff: noqa: E402  what the package is not to import at once must be said before it is imported

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

os.environ["GX_ANALYTICS_ENABLED"] = "false"


def _put_off(name: str) -> None:
    """Import a package's module when it is first used, however early somebody names it: importlib's own recipe for that."""
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    package, _, last = name.rpartition(".")
    # As an import does: whoever asks the package for it would otherwise look inside, and that is a use.
    setattr(sys.modules[package], last, module)


# For two expectations that compare distributions, which no suite of ours has: a quarter of the package's time.
_put_off("scipy.stats")
# The package makes objects that live as long as the process. Walking them while they are made takes the collector half a second,
# and at exit a whole one.
gc.disable()

import duckdb
import duckdb_engine
import great_expectations as gx
import sqlalchemy
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine

from schemas.contract import Contract

logging.getLogger("great_expectations").setLevel(logging.ERROR)
gc.freeze()
gc.enable()


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
    """An engine that keeps its one connection open.

    The base class opens a connection for every query and reads the result after closing it; SQLAlchemy rolls back on close,
    and DuckDB then drops the unread result (great_expectations#10738, #11579).
    """

    _kept: Any = None

    @contextlib.contextmanager
    def get_connection(self) -> Iterator[Any]:
        if self._kept is None:
            self._kept = self.engine.connect()
        yield self._kept


class DuckDBDatasource(SQLDatasource):  # type: ignore[misc]
    """`context.data_sources.add_duckdb(name=…)`: runs inside an open DuckDB connection, handed over by `open_connection`."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]
    connection_string: str = "duckdb:///:memory:"

    @property
    def execution_engine_type(self) -> Any:
        return DuckDBExecutionEngine

    def _create_engine(self) -> sqlalchemy.Engine:
        connection = _open[-1]
        engine = sqlalchemy.create_engine(
            "duckdb:///:memory:",
            creator=lambda: duckdb_engine.ConnectionWrapper(connection),
            poolclass=sqlalchemy.StaticPool,
            pool_reset_on_return=None,
        )
        # Transaction and connection are the caller's: SQLAlchemy, when it drops an engine, would close it under another audit.
        for step in ("do_begin", "do_commit", "do_rollback", "do_close", "do_terminate"):
            setattr(engine.dialect, step, lambda *_: None)
        return engine

    def get_execution_engine(self) -> Any:
        # The base class would build a second engine from the connection string, which sees none of our tables.
        current = self.get_engine()
        kept = getattr(self, "_execution_engine", None)
        if kept is None or kept.engine is not current:
            kept = self._execution_engine = DuckDBExecutionEngine(
                engine=current, create_temp_table=self.create_temp_table
            )
        return kept


# The connection that a datasource made now is to work in. Pydantic models take no such thing as a field.
_open: list[duckdb.DuckDBPyConnection] = []


@dataclass(frozen=True)
class Finding:
    """An expectation that was not met: which, and of which column where it is about one."""

    table: str
    expectation: str
    column: str | None

    def __str__(self) -> str:
        where = f" of {self.column}" if self.column else ""
        return f"the audit of {self.table} failed: {self.expectation}{where}"


@contextlib.contextmanager
def auditing(con: duckdb.DuckDBPyConnection, folder: Path, *, is_documented: bool = True) -> Iterator[Auditor]:
    """An auditor that works inside `con`; `is_documented` writes Data Docs of what it saw to `folder`."""
    _open.append(con)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield Auditor(folder, is_documented=is_documented)
    finally:
        _open.pop()


class Auditor:
    """Validates tables or views of the connection against contracts."""

    def __init__(self, folder: Path, *, is_documented: bool) -> None:
        self._actions = [UpdateDataDocsAction(name="docs")] if is_documented else []
        _clear(folder / "gx")
        self._context = gx.get_context(mode="file", project_root_dir=folder)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = self._context.data_sources.add_or_update_duckdb(name="warehouse")  # type: ignore[attr-defined]

    def audit(self, views: dict[Contract, str], run_name: str) -> list[Finding]:
        """What the rows of each contract's view do not fulfil. Only whether is kept, never a value.

        All are one checkpoint, because Data Docs are built anew for each, which costs more than looking at the rows.
        """
        checkpoint = gx.Checkpoint(
            name="admission",
            validation_definitions=[self._validation(contract, view) for contract, view in views.items()],
            actions=self._actions,
            result_format={"result_format": "BOOLEAN_ONLY"},
        )
        result = self._context.checkpoints.add_or_update(checkpoint).run(run_id=gx.RunIdentifier(run_name=run_name))
        return [
            _finding(validated.suite_name, entry)
            for validated in result.run_results.values()
            for entry in validated.results
            if not entry.success
        ]

    def _validation(self, contract: Contract, view: str) -> gx.ValidationDefinition:
        if contract.table in {asset.name for asset in self._source.assets}:
            self._source.delete_asset(contract.table)
        asset = self._source.add_table_asset(name=contract.table, table_name=view)
        batch = asset.add_batch_definition_whole_table("all")
        suite = gx.ExpectationSuite(
            name=contract.table, expectations=[_expectation(e) for e in contract.expectations()]
        )
        suite = self._context.suites.add_or_update(suite)
        validation = gx.ValidationDefinition(name=contract.table, data=batch, suite=suite)
        return self._context.validation_definitions.add_or_update(validation)


def _clear(folder: Path) -> None:
    """Leave only the results of earlier audits and their pages; how to validate is made from the contracts anew.

    Great Expectations writes its files in place, so an audit that was killed may have left any of them half written.
    """
    kept = [folder / "uncommitted" / name for name in ("validations", "data_docs")]
    for entry in [*folder.glob("*"), *folder.glob("uncommitted/*")]:
        if entry.is_file():
            entry.unlink()
        elif entry.name != "uncommitted" and entry not in kept:
            shutil.rmtree(entry)
    for result in kept[0].rglob("*.json"):
        try:
            json.loads(result.read_bytes())
        except ValueError:
            result.unlink()


def _expectation(entry: dict[str, Any]) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(entry["type"])(**entry["kwargs"])


def _finding(table: str, entry: Any) -> Finding:
    config = entry.expectation_config
    name = config.kwargs.get("description") or config.description or config.type
    return Finding(table, str(name), config.kwargs.get("column"))
