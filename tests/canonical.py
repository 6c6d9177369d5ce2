"""Small canonical exports, and the stages from a file to the warehouse without the gate. Shared by the tests."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from flows.settings import Workspace
from flows.stages import csv_records, reading
from flows.stages.admit import Candidate, FileOutcome, admit
from flows.stages.land import Landed, file_key
from flows.stages.prepare import prepare_file, quarantine_name
from flows.warehouse import scratch, warehouse, writing
from schemas.contract import Column, contract
from schemas.quoting import literal, quoted
from schemas.sources import Source, sources

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
# Where a record stands and when it came is not what it says.
LEDGER = ("file_id", "record_number", "admitted_in", "superseded_in")
CANONICAL = sources()["canonical"]


def canonical_with(**said: object) -> Source:
    """The canonical source as another YAML would describe it."""
    return Source.model_validate({**CANONICAL.model_dump(by_alias=True), **said})


def example(column: Column) -> str:
    """A value that the column takes, as an export writes it."""
    if column.allowed:
        return str(column.allowed[0].value)
    if column.code_list:
        from schemas.codes import code_list

        return code_list(column.code_list).codes[0].code
    match column.sql_type:
        case "DATE":
            return "2025-01-15"
        case "TIMESTAMPTZ":
            return "2025-01-15T08:30:00Z"
        case "BOOLEAN":
            return "true"
        case "VARCHAR" | "UUID":
            return "x"
        case _:
            return str(int(column.minimum or 0))


def record(table: str, key: str, **said: str) -> dict[str, str]:
    """The least that a record of the table must say, and what is added to it."""
    columns = contract(table).delivered_columns
    least = {c.delivered_name: example(c) for c in columns if c.is_required}
    return {**least, "source_record_id": key, "source_patient_id": f"patient {key}", **said}


def csv_text(rows: list[dict[str, str]], **form: object) -> str:
    """The rows as a CSV; the header names every column that any of them has."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="", **{"lineterminator": "\n", **form})
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    """The file with exactly these bytes: no line break is translated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_csv(path: Path, rows: list[dict[str, str]], **form: object) -> Path:
    return write(path, csv_text(rows, **form))


def prepare(workspace: Workspace, path: Path, source: Source = CANONICAL, now: datetime = NOW) -> Candidate:
    """The file with its spool; raises what `prepare_file` raises."""
    scanned = reading.scan(path, source)
    key = file_key(source, path.name, scanned.sha256)
    spool = workspace.folder("spool", source.name) / f"{key}-{path.name}"
    prepared = prepare_file(
        path,
        path.name,
        scanned,
        source,
        workspace.key(),
        now,
        spool,
        workspace.folder("quarantine") / quarantine_name(source.name, key),
        workspace.settings,
    )
    return Candidate(Landed(path, source.name), scanned.sha256, key, path.name, scanned.byte_count, spool, prepared)


def admit_batches(
    workspace: Workspace, batches: list[list[Path]], source: Source = CANONICAL, now: datetime = NOW
) -> list[FileOutcome]:
    """Each list of files as one batch, judged by nobody."""
    outcomes = []
    with writing(workspace, "test"), warehouse(workspace) as con:
        for batch in batches:
            candidates = [prepare(workspace, path, source, now) for path in batch]
            outcomes += admit(con, source, candidates, workspace.folder("quarantine"), now)
    return outcomes


def query(workspace: Workspace, sql: str) -> list[tuple]:
    """Rows of the live warehouse. Nothing else may have it open."""
    with writing(workspace, "test"), warehouse(workspace) as con:
        return con.execute(sql).fetchall()


def core(workspace: Workspace, *tables: str) -> dict[str, Counter]:
    """What the current records of the tables say, parents or not, without where and when they came."""
    found = {}
    with writing(workspace, "test"), warehouse(workspace) as con:
        for table in tables:
            columns = ", ".join(quoted(c.name) for c in contract(table).row_columns if c.name not in LEDGER)
            rows = con.execute(
                f"SELECT {columns} FROM history.{quoted(table)} WHERE superseded_in IS NULL AND NOT is_deleted"
            )
            found[table] = Counter(map(repr, rows.fetchall()))
            view = "patient_record" if table == "patient" else table
            rows = con.execute(f"SELECT {columns} FROM core.{quoted(view)}")
            found[f"core.{table}"] = Counter(map(repr, rows.fetchall()))
    return found


def records(workspace: Workspace, path: Path, source: Source, columns: list[str]) -> list[tuple[int, tuple]]:
    """(record number, fields) of the good records of a file, as the reader sees them before anything is judged."""
    scanned = reading.scan(path, source)
    folder = workspace.folder("spool", "reading")
    with scratch(workspace.settings, folder) as con:
        text = reading.utf8_copy(path, scanned, folder / "text")
        even = csv_records.even_copy(text, scanned, source, folder / "even")
        layout = csv_records.match_header(csv_records.read_header(text, source), source, set(), set(columns), path.name)
        count = csv_records.parse(con, even, source, layout, folder / "raw.parquet")
        if not scanned.is_plain(count):
            csv_records.number_rejects(con, even, source, count)
        reading.number_records(con, folder / "raw.parquet", layout)
        rows = con.execute(
            f"SELECT record_number, {', '.join(map(quoted, columns))} FROM record ORDER BY record_number"
        ).fetchall()
    return [(number, tuple(fields)) for number, *fields in rows]


def quarantined(workspace: Workspace, candidate: Candidate) -> list[dict]:
    """The file that keeps the originals, row by row."""
    import pyarrow.parquet as pq

    path = workspace.root / "quarantine" / quarantine_name(candidate.landed.source_name, candidate.file_key)
    return pq.read_table(path).to_pylist() if path.exists() else []


def spooled(candidate: Candidate, table: str) -> list[dict]:
    """The rows of the spool that no rule refuses, in the order of the file."""
    import duckdb

    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        found = con.execute(
            f"SELECT * FROM read_parquet({literal(str(candidate.spool / f'{table}.parquet'))}) WHERE NOT is_refused ORDER BY record_number"
        )
        names = [name for name, *_ in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
