"""Every DuckDB connection of the project, and the lock of its one writer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flows.errors import NotFoundError, PipelineError, TransientError, UsageError
from flows.settings import Settings, Workspace
from schemas.contract import Column, Contract, contracts, describe
from schemas.instrument_rows import band_rows, scale_rows, threshold_rows
from schemas.quoting import literal, quoted
from sql import statement, statements

SCHEMA_VERSION = 6
# Extensions are never fetched: what is needed is built into the wheel.
_Config = dict[str, str | bool | int | float | list[str]]
_OFFLINE: _Config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


def _configuration(settings: Settings) -> _Config:
    return {**_OFFLINE, "memory_limit": settings.memory_limit, "threads": str(settings.worker_count)}


@contextlib.contextmanager
def scratch(settings: Settings, folder: Path, time_zone: str = "UTC") -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory connection with the project's macros, which spills into `folder`. It knows no warehouse and no lock."""
    with _machine_faults(folder), _with_macros(settings, folder / "spill") as con:
        con.execute(f"SET TimeZone = {literal(time_zone)}")
        yield con


@contextlib.contextmanager
def small_scratch(settings: Settings, folder: Path, time_zone: str = "UTC") -> Iterator[duckdb.DuckDBPyConnection]:
    """A `scratch` for work that takes less time than to make one: a thread makes it once and empties it each time.

    It spills into a folder of this thread's in `folder`, which may be the same for all.
    """
    with _machine_faults(folder):
        shelf = _shelf(settings, folder)
        with shelf.cursor() as con:
            # What is temporary goes with the cursor, whatever else is made with this database.
            con.execute("ATTACH ':memory:' AS desk")
            con.execute("SET search_path = 'desk,memory'")
            con.execute(f"SET TimeZone = {literal(time_zone)}")
            try:
                yield con
            except BaseException:
                # Nobody knows in what state the work left it.
                _own.shelf = None
                shelf.close()
                raise
            con.execute("USE memory")
            con.execute("DETACH desk")


class _Own(threading.local):
    """What a thread keeps: a connection with the macros, and what it was made for."""

    shelf: duckdb.DuckDBPyConnection | None = None
    made_for: tuple[Settings, Path] | None = None


_own = _Own()


def _shelf(settings: Settings, folder: Path) -> duckdb.DuckDBPyConnection:
    """The connection of the calling thread; made anew where the settings or the folder are others than before."""
    if _own.shelf is None or _own.made_for != (settings, folder):
        _own.shelf = _with_macros(settings, folder / f".{os.getpid()}-{threading.get_ident()}-spill")
        _own.made_for = (settings, folder)
    return _own.shelf


def _with_macros(settings: Settings, spill: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(":memory:", config=_configuration(settings))
    _make_ready(con, spill)
    return con


def _make_ready(con: duckdb.DuckDBPyConnection, spill: Path) -> None:
    con.execute(f"SET temp_directory = {literal(str(spill))}")
    con.execute("SET TimeZone = 'UTC'")
    _make_macros(con)


def _make_macros(con: duckdb.DuckDBPyConnection) -> None:
    for path in statements("macros"):
        con.execute(statement(path))


@contextlib.contextmanager
def snapshot(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, opened to read only. Raises NotFoundError if nothing was published yet."""
    if not workspace.snapshot.is_file():
        raise NotFoundError(f"{workspace.snapshot}: nothing is published yet. Run: outcomes ingest")
    config: _Config = {**_OFFLINE, "enable_external_access": "false", "lock_configuration": "true"}
    with _opened(workspace.snapshot, config, "Any ingest or report publishes it anew.", read_only=True) as con:
        _check_version(con, workspace.snapshot)
        yield con


@contextlib.contextmanager
def copied(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the published file that may be written to and is gone afterwards: what is tried on it nobody sees.

    It needs no lock, and as much free disk as the published file has. Raises NotFoundError if nothing was published yet.
    """
    with snapshot(workspace):
        pass
    # A folder named after the process: what a killed one leaves is swept.
    room = workspace.folder("spool", "copies", f".{os.getpid()}-copy")
    path = room / "outcomes.duckdb"
    try:
        with _machine_faults(room):
            _copy(workspace.snapshot, path)
            with _opened(path, _configuration(workspace.settings), "Run the command again.") as con:
                _make_ready(con, room / "spill")
                yield con
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _copy(path: Path, to: Path) -> None:
    try:
        shutil.copyfile(path, to)
    except OSError as error:
        raise PipelineError(
            f"{to.parent}: the published file could not be copied: {error.strerror}. See to the disk, then run the command again."
        ) from error


@contextlib.contextmanager
def writing(workspace: Workspace, purpose: str) -> Iterator[None]:
    """Hold the workspace's writer lock. Raises TransientError, naming the holder, if it is not free in time.

    `flock` on a file of its own: DuckDB's POSIX lock is lost as soon as any descriptor of its file is closed.
    """
    descriptor = os.open(workspace.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, workspace)
        holder = {"pid": os.getpid(), "purpose": purpose, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, workspace: Workspace) -> None:
    deadline = time.monotonic() + workspace.settings.lock_wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                held_by = lock_holder(workspace) or "another process"
                raise TransientError(
                    f"{workspace.lock}: still held by {held_by} after {workspace.settings.lock_wait_seconds:g} s. "
                    "Wait for it and run the command again."
                ) from error
            time.sleep(0.05)


def lock_holder(workspace: Workspace) -> str | None:
    """Who holds the writer lock, in words, or None if it is free."""
    try:
        descriptor = os.open(workspace.lock, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            holder = json.loads(os.pread(descriptor, 4096, 0))
        except ValueError:
            return "another process"
        return f"`{holder['purpose']}` (process {holder['pid']}, since {holder['since']})"
    else:
        return None
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def warehouse(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """The live file, made if need be. The caller holds the writer lock for as long as it is open."""
    if not workspace.warehouse.exists():
        if workspace.snapshot.exists():
            raise NotFoundError(
                f"{workspace.warehouse}: missing, though something was published from it. Put it back: "
                f"cp {workspace.snapshot} {workspace.warehouse}"
            )
        with _machine_faults(workspace.root):
            _make(workspace)
    remedy = f"Put back the last copy: cp {workspace.snapshot} {workspace.warehouse}"
    opened = _opened(workspace.warehouse, _configuration(workspace.settings), remedy)
    with _machine_faults(workspace.root), opened as con:
        _make_ready(con, workspace.folder("spool") / "spill")
        _check_version(con, workspace.warehouse)
        (made_with,) = con.execute("SELECT key_mark FROM ops.version").fetchone() or (None,)
        if made_with != workspace.key_mark():
            raise UsageError(
                f"{workspace.warehouse}: its pseudonyms were made with another key. Put that key back: "
                "with this one every patient would be counted twice."
            )
        yield con


def _make(workspace: Workspace) -> None:
    """An empty warehouse, under another name until it is whole: DuckDB cannot open a file that a full disk has cut."""
    kept = workspace.warehouse.with_suffix(".new")
    for leftover in (kept, kept.with_name(f"{kept.name}.wal")):
        leftover.unlink(missing_ok=True)
    with duckdb.connect(str(kept), config=_configuration(workspace.settings)) as con:
        with transaction(con):
            _make_macros(con)
            create_schema(con, workspace.key_mark())
        # Said here: to close a connection is silent about a checkpoint that failed.
        con.execute("CHECKPOINT")
    kept.chmod(0o600)
    kept.replace(workspace.warehouse)


@contextlib.contextmanager
def _machine_faults(place: Path) -> Iterator[None]:
    """What the machine will not do becomes one error: a disk that is full, a folder that may not be written."""
    try:
        yield
    except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException, duckdb.InternalException) as error:
        raise PipelineError(
            f"{place}: DuckDB could not go on: {str(error).splitlines()[0]} Nothing is half done. "
            "See to the disk and the folder's rights, then run the command again."
        ) from error


def _opened(path: Path, config: _Config, remedy: str, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.Error as error:
        raise PipelineError(f"{path}: cannot be opened: {str(error).splitlines()[0]} {remedy}") from error


def _has_version(con: duckdb.DuckDBPyConnection) -> bool:
    found = con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'ops' AND table_name = 'version'"
    ).fetchone()
    return bool(found and found[0])


def _check_version(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    (version,) = (
        con.execute("SELECT schema_version FROM ops.version").fetchone() or (None,) if _has_version(con) else (None,)
    )
    if version != SCHEMA_VERSION:
        raise PipelineError(
            f"{path}: made by another version of the project (schema {version}, this one reads {SCHEMA_VERSION}). "
            "Use that version, or rebuild from archive/."
        )


def create_schema(con: duckdb.DuckDBPyConnection, key_mark: str) -> None:
    """All schemas, tables and views of an empty warehouse. The tables of `history` come from the contracts."""
    for path in statements("warehouse/ops"):
        con.execute(statement(path))
    con.execute("CREATE SCHEMA IF NOT EXISTS history")
    for contract in contracts():
        for command in contract.ddl():
            con.execute(command)
    create_views(con)
    con.execute("INSERT INTO ops.version VALUES ($version, 0, $mark)", {"version": SCHEMA_VERSION, "mark": key_mark})


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """The views of `core`, over whatever `history` holds; column comments go with them."""
    con.execute("CREATE SCHEMA IF NOT EXISTS core")
    for contract in contracts():
        name = "patient_record" if contract.table == "patient" else contract.table
        con.execute(
            statement(
                "warehouse/current",
                view=f"core.{quoted(name)}",
                history=f"history.{quoted(contract.table)}",
                columns=",\n    ".join(f"h.{quoted(c.name)}" for c in _visible(contract)),
                parents=_parents(contract),
            )
        )
        if contract.table == "patient":
            con.execute(statement("warehouse/patient"))
    con.execute(statement("warehouse/treatment_course"))
    con.execute(statement("warehouse/consent_state"))
    con.execute("CREATE OR REPLACE VIEW ops.open_token AS\n" + "\nUNION ALL\n".join(_open_tokens()))
    con.execute("CREATE OR REPLACE VIEW ops.waiting AS\n" + "\nUNION ALL\n".join(_for_each_table("warehouse/waiting")))
    con.execute(
        "CREATE OR REPLACE VIEW ops.conflict AS\n" + "\nUNION ALL\n".join(_for_each_table("warehouse/conflict"))
    )
    con.execute(statement("warehouse/consented_patient"))
    con.execute(
        statement("warehouse/consented", view="core.consented_treatment_course", current="core.treatment_course")
    )
    create_scores(con)
    for contract in contracts():
        name = quoted(contract.table)
        if contract.table not in ("patient", "consent"):
            con.execute(
                statement(
                    "warehouse/consented", view=f"core.{quoted('consented_' + contract.table)}", current=f"core.{name}"
                )
            )
        for column in _visible(contract):
            con.execute(f"COMMENT ON COLUMN core.{name}.{quoted(column.name)} IS {literal(describe(column))}")


def create_scores(con: duckdb.DuckDBPyConnection) -> None:
    """The rules of the instruments as tables, and the scores by them: made anew with every report, for rules change."""
    for name, rows in (("scale", scale_rows()), ("threshold", threshold_rows()), ("band", band_rows())):
        con.execute(statement(f"warehouse/instrument_{name}", rows=rows))
    con.execute(statement("warehouse/score"))
    con.execute(statement("warehouse/consented", view="core.consented_score", current="core.score"))


def _open_tokens() -> Iterator[str]:
    for contract in contracts():
        for column in contract.columns:
            if column.is_open:
                words = f"unnest({quoted(column.name)})" if column.is_list else quoted(column.name)
                yield statement(
                    "warehouse/open_token",
                    name=literal(f"{contract.table}.{column.name}"),
                    words=words,
                    history=f"history.{quoted(contract.table)}",
                )


def _for_each_table(path: str) -> Iterator[str]:
    for contract in contracts():
        current = "core.patient_record" if contract.table == "patient" else f"core.{quoted(contract.table)}"
        yield statement(
            path, name=literal(contract.table), history=f"history.{quoted(contract.table)}", current=current
        )


def _visible(contract: Contract) -> list[Column]:
    """The columns of a current record: all but the one that says it was superseded."""
    return [column for column in contract.row_columns if column.name != "superseded_in"]


def _parents(contract: Contract) -> str:
    """The joins which leave out a child as long as its parents are not there."""
    joins = (
        []
        if contract.table == "patient"
        else ["SEMI JOIN core.patient_record AS patient ON patient.patient_id = h.patient_id"]
    )
    for column in contract.columns:
        if column.parent:
            parent = f"core.{quoted(column.parent)}"
            joins.append(f"SEMI JOIN {parent} AS parent ON parent.record_id = h.{quoted(column.name)}")
    return "\n".join(joins)


@contextlib.contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    con.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]]) -> None:
    """Add rows, given by column name, in one statement: one by one DuckDB takes a millisecond each."""
    if not rows:
        return
    import pyarrow as pa

    con.register("arriving_rows", pa.Table.from_pylist(rows))
    try:
        con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arriving_rows")
    finally:
        con.unregister("arriving_rows")
