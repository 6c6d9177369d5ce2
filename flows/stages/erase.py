"""Erase: one patient leaves every file of the workspace, and a search of all of it says whether anything is left."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import duckdb

from flows.errors import UnreadableError
from flows.settings import Workspace
from flows.stages import land, reading
from flows.stages.forgotten import Forgotten, pseudonym, tombstone
from flows.stages.prepare import open_records, prepare_file, quarantine_name
from flows.warehouse import insert_rows, scratch, snapshot, transaction
from schemas.contract import TABLES
from schemas.quoting import literal, quoted
from schemas.sources import Source
from sql import statement

# Shorter ids stand in other people's records by chance: they are looked for as fields of records only.
TELLING_BYTES = 6


@dataclass(frozen=True)
class Person:
    """Whom to forget: the id at the source, and what follows from it by the workspace's key."""

    source: Source
    source_patient_id: str
    patient_id: UUID
    tombstone: str


@dataclass(frozen=True)
class Erased:
    """What was taken out of one file: its ledger id (None if it waited in landing), and the numbers of the records."""

    path: Path
    file_id: int | None
    numbers: frozenset[int]
    is_removed: bool = False


@dataclass(frozen=True)
class Certificate:
    """What an erasure did. Nothing in it leads to the person."""

    erasure_id: int
    file_count: int
    record_count: int
    row_count: int
    found_in: tuple[str, ...]

    @property
    def is_proved(self) -> bool:
        return not self.found_in


def person(workspace: Workspace, source: Source, source_patient_id: str) -> Person:
    """The person by the id that the source knows them by."""
    key = workspace.key()
    patient_id = pseudonym(key, source.name, source_patient_id)
    return Person(source, source_patient_id, patient_id, tombstone(key, patient_id))


def tombstones(con: duckdb.DuckDBPyConnection, source_name: str) -> frozenset[str]:
    """Of everyone whom the source must not bring back."""
    return frozenset(
        mark
        for (mark,) in con.execute(
            "SELECT tombstone FROM ops.erasure WHERE source_system = $source", {"source": source_name}
        ).fetchall()
    )


def begin(con: duckdb.DuckDBPyConnection, who: Person, now: datetime) -> int:
    """Write the tombstone, if it is not there: from now on no file brings the person back. Returns the erasure's id."""
    known = con.execute(
        "SELECT erasure_id FROM ops.erasure WHERE source_system = $source AND tombstone = $mark",
        {"source": who.source.name, "mark": who.tombstone},
    ).fetchone()
    if known is not None:
        return int(known[0])
    with transaction(con):
        (erasure_id,) = con.execute("SELECT coalesce(max(erasure_id), 0) + 1 FROM ops.erasure").fetchone() or (1,)
        con.execute(
            "INSERT INTO ops.erasure VALUES ($id, $source, $mark, $now, NULL, NULL, NULL)",
            {"id": erasure_id, "source": who.source.name, "mark": who.tombstone, "now": now},
        )
        con.execute("UPDATE ops.version SET revision = revision + 1")
    return int(erasure_id)


def records_of(con: duckdb.DuckDBPyConnection, who: Person) -> frozenset[UUID]:
    """The ids of every record that ever was the person's."""
    found: set[UUID] = set()
    for table in TABLES:
        rows = con.execute(
            f"SELECT DISTINCT record_id FROM history.{quoted(table)} WHERE patient_id = $patient",
            {"patient": who.patient_id},
        )
        found |= {record_id for (record_id,) in rows.fetchall()}
    return frozenset(found)


def out_of_files(
    con: duckdb.DuckDBPyConnection, workspace: Workspace, who: Person, records: frozenset[UUID], now: datetime
) -> list[Erased]:
    """Take the person's records out of the source's landed and archived files, its quarantine and its spool.

    Raises UnreadableError if a file that was admitted can no longer be read: its source must be mended first.
    """
    erased = []
    files = con.execute(
        "SELECT file_id, sha256, file_key, file_name, status = 'admitted', erased_count FROM ops.file WHERE source_system = $source",
        {"source": who.source.name},
    ).fetchall()
    for file_id, digest, key, name, is_admitted, erased_count in files:
        shutil.rmtree(workspace.folder("spool", who.source.name) / key, ignore_errors=True)
        path = land.archived(workspace, who.source.name, digest)
        if path.is_file():
            forgotten = Forgotten(frozenset({who.tombstone}), records, has_blanks=erased_count > 0)
            found = _out_of_file(workspace, who, path, name, forgotten, now, file_id=file_id, is_admitted=is_admitted)
            erased.append(found)
            _out_of_quarantine(workspace, workspace.folder("quarantine") / quarantine_name(who.source.name, key), found)
    for landed in land.pending(workspace, {who.source.name: who.source}):
        forgotten = Forgotten(frozenset({who.tombstone}), records)
        erased.append(
            _out_of_file(workspace, who, landed.path, landed.file_name, forgotten, now, file_id=None, is_admitted=False)
        )
    return erased


def _out_of_file(
    workspace: Workspace,
    who: Person,
    path: Path,
    name: str,
    forgotten: Forgotten,
    now: datetime,
    *,
    file_id: int | None,
    is_admitted: bool,
) -> Erased:
    room = workspace.folder("spool", who.source.name) / f".{os.getpid()}-erase"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(mode=0o700)
    try:
        scanned = reading.scan(path, who.source)
        prepared = prepare_file(
            path,
            name,
            scanned,
            who.source,
            workspace.key(),
            now,
            room / "prepared",
            room / "quarantine.parquet",
            workspace.settings,
            forgotten,
        )
        if prepared.holds and not is_admitted and _holds(path, who):
            # Its records cannot be told from one another, so none of it can be kept.
            path.unlink()
            return Erased(path, file_id, frozenset(), is_removed=True)
        numbers = frozenset(prepared.forgotten_numbers)
        if numbers:
            rewrite(path, name, who.source, numbers, room / "rewritten", keep_numbers=file_id is not None)
            if (room / "rewritten").stat().st_size == 0:
                path.unlink()
                return Erased(path, file_id, numbers, is_removed=True)
            (room / "rewritten").replace(path)
        return Erased(path, file_id, numbers)
    except UnreadableError:
        if is_admitted:
            # It could be read once. To delete it now would cost everybody else their originals.
            raise
        if _holds(path, who):
            path.unlink()
            return Erased(path, file_id, frozenset(), is_removed=True)
        return Erased(path, file_id, frozenset())
    finally:
        shutil.rmtree(room, ignore_errors=True)


def rewrite(
    path: Path, name: str, source: Source, numbers: frozenset[int], target: Path, *, keep_numbers: bool
) -> None:
    """Write to `target` what is left of a file without the records of these numbers.

    With `keep_numbers` blank records stand where they were, or the numbers in the ledger would mean other records.
    """
    source = source.for_file(name)
    scanned = reading.scan(path, source)
    copy = target.with_name(".text")
    text = reading.utf8_copy(path, scanned, copy)
    records = open_records(text, scanned, source, source.tables_of(name), name)
    records.write_without(numbers, target, keep_numbers=keep_numbers)
    copy.unlink(missing_ok=True)


def _out_of_quarantine(workspace: Workspace, kept: Path, erased: Erased) -> None:
    """Rewrite the file of originals without these records; of a file that had to go, nothing is kept."""
    if not kept.exists() or not (erased.numbers or erased.is_removed):
        return
    if erased.is_removed:
        kept.unlink()
        return
    building = kept.with_name(f".{kept.name}")
    with scratch(workspace.settings, workspace.folder("spool")) as con:
        con.execute(
            f"COPY (SELECT * FROM read_parquet({literal(str(kept))}) WHERE NOT list_contains($numbers::BIGINT[], record_number) "
            f"ORDER BY record_number, table_name, rule) TO {literal(str(building))} (FORMAT parquet)",
            {"numbers": sorted(erased.numbers)},
        )
    building.chmod(0o600)
    building.replace(kept)


def out_of_history(con: duckdb.DuckDBPyConnection, who: Person, records: frozenset[UUID], erased: list[Erased]) -> int:
    """Delete every version of the person's records, in one transaction with what the ledger says of it; returns their number."""
    count = 0
    with transaction(con):
        for table in TABLES:
            (deleted,) = con.execute(
                statement("erase/history", history=f"history.{quoted(table)}"),
                {"patient": who.patient_id, "records": [str(r) for r in records]},
            ).fetchone() or (0,)
            count += deleted
        con.execute("CREATE OR REPLACE TEMP TABLE erased_file (file_id INTEGER, erased_count BIGINT)")
        insert_rows(
            con,
            "erased_file",
            [{"file_id": e.file_id, "erased_count": len(e.numbers)} for e in erased if e.file_id is not None],
        )
        con.execute(
            "UPDATE ops.file SET erased_count = e.erased_count FROM erased_file AS e WHERE e.file_id = file.file_id AND e.erased_count > file.erased_count"
        )
        con.execute("UPDATE ops.version SET revision = revision + 1")
    return count


def certify(con: duckdb.DuckDBPyConnection, erasure_id: int, erased: list[Erased], now: datetime) -> None:
    """Note that the search found nothing."""
    touched = [e for e in erased if e.numbers or e.is_removed]
    with transaction(con):
        con.execute(
            statement("erase/certify"),
            {"id": erasure_id, "now": now, "files": len(touched), "records": sum(len(e.numbers) for e in touched)},
        )
        con.execute("UPDATE ops.version SET revision = revision + 1")


def search(workspace: Workspace, who: Person, others: Iterable[str]) -> list[str]:
    """The files of the workspace in which anything of the person is left: the id, if it is long enough to tell, or the pseudonym.

    In the files of `others`, which are names of sources, the same id is another person's.

    Every file is read as bytes; compressed files, Parquet and the published DuckDB file as what they hold besides.
    No connection to the warehouse may be open.
    """
    found = []
    for path in sorted(workspace.root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        place = path.relative_to(workspace.root)
        needles = _pseudonyms(who) + ([] if _is_of_another(place, others) else _names(who))
        if any(_stands_in(chunks, needles) for chunks in _views(path)):
            found.append(str(place))
    if _stands_in_tables(workspace, who):
        found.append(f"the tables of {workspace.snapshot.relative_to(workspace.root)}")
    return found


def _is_of_another(place: Path, others: Iterable[str]) -> bool:
    if place.parts[0] == "quarantine":
        return any(place.name.startswith(f"{name}-") for name in others)
    return place.parts[0] in ("landing", "archive", "spool") and place.parts[1] in others


def _pseudonyms(who: Person) -> list[bytes]:
    number = who.patient_id.int
    # DuckDB stores a UUID as a signed number, its highest bit turned, the low half first.
    stored = (number ^ (1 << 127)).to_bytes(16, "little")
    return [str(who.patient_id).encode(), who.patient_id.hex.encode(), number.to_bytes(16, "big"), stored]


def _names(who: Person) -> list[bytes]:
    if len(who.source_patient_id.encode()) < TELLING_BYTES:
        return []
    names = []
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", who.source.encoding):
        with contextlib.suppress(UnicodeEncodeError):
            names.append(who.source_patient_id.encode(encoding))
    return names


def _holds(path: Path, who: Person) -> bool:
    return any(_stands_in(chunks, _names(who)) for chunks in _views(path)) if _names(who) else False


def _views(path: Path) -> Iterator[Iterable[bytes]]:
    """A file as its bytes and, if these are compressed, as what they hold."""
    yield reading.chunks(path, None)
    if codec := reading.codec_of(path):
        yield _unpacked(path, codec)
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        yield _parquet_texts(path)


def _unpacked(path: Path, codec: str) -> Iterator[bytes]:
    # What follows a fault in it cannot be read by anybody else either.
    with contextlib.suppress(UnreadableError):
        yield from reading.chunks(path, codec)


def _parquet_texts(path: Path) -> Iterator[bytes]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for column in batch.columns:
                yield from (buffer.to_pybytes() for buffer in column.buffers() if buffer is not None)


def _stands_in(chunks: Iterable[bytes], needles: list[bytes]) -> bool:
    """Whether one of the needles is in the bytes, be it across two chunks."""
    longest, end = max(map(len, needles)), b""
    for chunk in chunks:
        text = end + chunk
        if any(needle in text for needle in needles):
            return True
        end = text[-longest + 1 :]
    return False


def _stands_in_tables(workspace: Workspace, who: Person) -> bool:
    """Whether a table of the published file has a row of the person's; blocks of the file are compressed, so bytes do not tell."""
    with snapshot(workspace) as con:
        columns = con.execute(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
            "JOIN duckdb_tables() USING (schema_name, table_name) WHERE data_type = 'UUID' OR data_type LIKE 'VARCHAR%'"
        ).fetchall()
        is_telling = len(who.source_patient_id.encode()) >= TELLING_BYTES
        for schema, table, column, kind in columns:
            if kind != "UUID" and not is_telling:
                continue
            what = "erase/rows_of" if kind == "UUID" else "erase/texts_of"
            needle = str(who.patient_id) if kind == "UUID" else who.source_patient_id
            (count,) = con.execute(
                statement(what, place=f"{quoted(schema)}.{quoted(table)}", name=quoted(column)), {"needle": needle}
            ).fetchone() or (0,)
            if count:
                return True
    return False


def compact(workspace: Workspace) -> None:
    """Write the warehouse anew: what is deleted stays in the free blocks of a DuckDB file until they are used again.

    The caller holds the writer lock and has closed its connection.
    """
    building = workspace.root / ".warehouse.duckdb"
    for left in (building, building.with_name(building.name + ".wal")):
        left.unlink(missing_ok=True)
    with scratch(workspace.settings, workspace.folder("spool")) as con:
        con.execute(f"ATTACH {literal(str(workspace.warehouse))} AS old (READ_ONLY)")
        con.execute(f"ATTACH {literal(str(building))} AS fresh")
        con.execute("COPY FROM DATABASE old TO fresh")
    building.chmod(0o600)
    building.replace(workspace.warehouse)
