"""Prepare: one landed file becomes typed, judged rows in the spool. A pure function of the file, its source and the contracts.

No warehouse and no lock are touched, so files are prepared in parallel and anywhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from flows.errors import TransientError, UnreadableError
from flows.settings import Settings
from flows.stages import reading
from flows.stages.csv_records import CsvRecords
from flows.stages.forgotten import NOBODY, Forgotten, named_in, pseudonym, tombstone
from flows.stages.json_records import MAX_DEPTH, JsonRecords
from flows.stages.redcap_rows import explain
from flows.stages.rows import owner_statement, pseudonym_statement, rows_statement, vocabulary
from flows.warehouse import scratch, small_scratch
from schemas.contract import Contract, contract, required_names
from schemas.quoting import literal, quoted
from schemas.sources import Source
from sql import statement, statements

MANIFEST = "manifest.json"
# Raised when this module reads the same bytes otherwise than before, so that no older spool is taken for a new one.
_READING_VERSION = 2
# Below it a file counts as small, and time goes into statements rather than rows.
_SMALL_BYTES = 1 << 20
_FAULTS = {
    "too_few_fields": "the record has fewer fields than the header",
    "too_many_fields": "the record has more fields than the header",
    "broken_quotes": "a quoted field does not close",
    "line_too_long": f"the record is longer than {reading.MAX_LINE_BYTES >> 20} MB",
    "unreadable_record": "the record cannot be read",
    "duplicate_keys": "a name stands twice in an object of the record",
    "nested_too_deep": f"the record is nested deeper than {MAX_DEPTH} levels",
    "no_object": "there is no object where the source says that the record stands",
    "feeds_no_table": "the record feeds no table",
}


@dataclass(frozen=True)
class RuleResult:
    """How many rows a rule saw and how many broke it."""

    table_name: str
    rule: str
    action: str
    dimension: str
    checked_count: int
    failed_count: int


@dataclass(frozen=True)
class Prepared:
    """A file's manifest: what was read, and what became of it before the warehouse is asked."""

    source_system: str
    sha256: str
    file_name: str
    byte_count: int
    fingerprint: str
    key_mark: str
    exported_at: str | None
    read_count: int
    independent_count: int | None
    out_of_scope_count: int
    quarantined_count: int
    warned_count: int
    has_faults: bool
    tables: dict[str, int]
    rule_results: list[RuleResult]
    unknown_columns: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    # Records of people who were forgotten. They are among those out of scope.
    forgotten_numbers: list[int] = field(default_factory=list)
    forgotten_mark: str = ""

    @property
    def refused_share(self) -> float:
        """Refused records among those in scope; 0 for a file without records."""
        in_scope = self.read_count - self.out_of_scope_count
        return self.quarantined_count / in_scope if in_scope else 0.0


def record_key(key: bytes) -> str:
    """The key of record ids, in hexadecimal: half as long as the workspace's, so that most ids are hashed in one block."""
    return sha256(b"record" + key).hexdigest()[:32]


def fingerprint(source: Source, tables: Iterable[str]) -> str:
    """Changes whenever the same bytes may be read otherwise: source, SELECTs, contracts, code lists, this code."""
    parts = [str(_READING_VERSION), source.fingerprint]
    if source.looks_up_codes:
        parts.append(repr(sorted(_known_words().items())))
    for table in sorted(tables):
        agreed = contract(table)
        parts.append(repr(agreed))
        parts += [repr(sorted(vocabulary(column).items())) for column in agreed.columns if column.code_list]
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


def _known_words() -> dict[str, str]:
    """What a SELECT's `known_code` can find; beside the code lists how many items an instrument has."""
    from schemas.codes import known_words
    from schemas.contract import code_lists
    from schemas.instruments import instruments, item_count

    counts = {f"instrument items {known.code}": str(item_count(known)) for known in instruments() if item_count(known)}
    return known_words(code_lists()) | counts


def quarantine_name(source_system: str, file_key: str) -> str:
    """The name of the file that keeps the originals of what was refused or blanked."""
    return f"{source_system}-{file_key}.parquet"


def load(spool: Path) -> Prepared | None:
    """The manifest of a spool that is whole, else None."""
    try:
        stored = json.loads((spool / MANIFEST).read_text(encoding="utf-8"))
        digests = stored.pop("digests")
        if any(reading.sha256_of(spool / name) != digest for name, digest in digests.items()):
            return None
    except (FileNotFoundError, ValueError, KeyError):
        return None
    stored["rule_results"] = [RuleResult(**entry) for entry in stored["rule_results"]]
    return Prepared(**stored)


def prepare_file(
    path: Path,
    file_name: str,
    scanned: reading.Scan,
    source: Source,
    key: bytes,
    now: datetime,
    spool: Path,
    quarantine: Path,
    settings: Settings,
    forgotten: Forgotten = NOBODY,
) -> Prepared:
    """Read, judge and spool one landed file; its rows lie in `spool/<table>.parquet`, one for each table it feeds.

    `now` (with a time zone) is the clock that dates are judged by. `scanned` is the file as `reading.scan` saw it.
    The originals of what is refused or blanked go to the file `quarantine`, which is not there if nothing is.
    Records of people who are `forgotten` are out of scope, and nothing of them is written anywhere.
    A spool that is already whole is taken as it is. Raises UnreadableError if the file is none of this source's,
    TransientError if it changed while it was read.
    """
    pattern = source.pattern_for(file_name)
    if pattern is None:
        names = ", ".join(p.match for p in source.files)
        raise UnreadableError(
            f"{file_name}: no file of source '{source.name}' has such a name ({names}). Rename it, or name its source."
        )
    current = fingerprint(source, pattern.feeds)
    source = source.for_file(file_name)
    key_mark = sha256(b"spool" + key).hexdigest()[:16]
    done = load(spool)
    if done is not None and (done.fingerprint, done.key_mark, done.has_faults, done.forgotten_mark) == (
        current,
        key_mark,
        quarantine.exists(),
        forgotten.mark,
    ):
        return done
    building = spool.with_name(f".{os.getpid()}-{threading.get_ident()}-{spool.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700, parents=True)
    try:
        # A small file takes less time than a connection of its own.
        connection = (
            small_scratch(settings, spool.parent, source.time_zone)
            if scanned.text_bytes < _SMALL_BYTES
            else scratch(settings, building, source.time_zone)
        )
        with _readable(file_name, source), connection as con:
            prepared = _Preparation(
                con,
                path,
                file_name,
                scanned,
                source,
                pattern.feeds,
                key,
                now,
                building,
                quarantine,
                current,
                key_mark,
                forgotten,
            ).run()
        if reading.stamp_of(path) != scanned.stamp:
            raise TransientError(
                f"{file_name}: changed while it was read. Deliver it under a temporary name and rename it when it is whole."
            )
        shutil.rmtree(building / "spill", ignore_errors=True)
        digests = {entry.name: reading.sha256_of(entry) for entry in building.iterdir()}
        _write(building / MANIFEST, json.dumps({**asdict(prepared), "digests": digests}))
        _replace(building, spool)
        return prepared
    finally:
        shutil.rmtree(building, ignore_errors=True)


@contextlib.contextmanager
def _readable(file_name: str, source: Source) -> Iterator[None]:
    """Whatever DuckDB cannot do with a file or its source makes that file unreadable; no value of it is in the message."""
    try:
        yield
    except duckdb.ProgrammingError as error:
        fault = str(error).splitlines()[0]
        raise UnreadableError(f"{file_name}: source '{source.name}' does not fit it: {fault}") from error
    except duckdb.OutOfMemoryException as error:
        raise TransientError(
            f"{file_name}: needs more memory than memory_limit in outcomes.toml allows. Raise it, then run the command again."
        ) from error
    except (duckdb.DataError, duckdb.InvalidInputException) as error:
        raise UnreadableError(f"{file_name}: cannot be read as source '{source.name}' says. Check its YAML.") from error


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o600)


def _replace(building: Path, spool: Path) -> None:
    shutil.rmtree(spool, ignore_errors=True)
    try:
        building.rename(spool)
    except OSError:
        # Another process prepared the same bytes meanwhile: a pure function, so theirs is as good.
        if load(spool) is None:
            raise


@dataclass(frozen=True)
class _Preparation:
    """One file on its way through one scratch connection."""

    con: duckdb.DuckDBPyConnection
    path: Path
    file_name: str
    scanned: reading.Scan
    source: Source
    tables: tuple[str, ...]
    key: bytes
    now: datetime
    spool: Path
    quarantine: Path
    fingerprint: str
    key_mark: str
    forgotten: Forgotten

    def run(self) -> Prepared:
        if self.scanned.codec and self.scanned.text_bytes > shutil.disk_usage(self.spool).free // 2:
            raise TransientError(
                f"{self.file_name}: unpacks to {self.scanned.text_bytes >> 20:,} MB, more than the disk has room for. Free some, then run the command again."
            )
        text = reading.utf8_copy(self.path, self.scanned, self.spool / "text")
        records = open_records(text, self.scanned, self.source, self.tables, self.file_name)
        parsed = records.parse(self.con, self.spool)
        if self.source.explained is not None:
            explain(self.con, self.source, self.source.explained, self.spool / "explained.parquet")
        exported_at = self._exported_at()
        self._set_variables(exported_at)
        if self.source.looks_up_codes:
            self._add_code_lists()
        out_of_scope, forgotten_numbers = self._choose_records(records, parsed.read_count)
        results = [result for table in self.tables for result in self._spool_table(contract(table))]
        self._find_strays()
        self._write_quarantine(records)
        (quarantined,) = self._one("SELECT count(DISTINCT record_number) FROM fault WHERE action = 'refuse'")
        (warned,) = self._one("SELECT count(DISTINCT record_number) FROM warned")
        # Nothing reads the texts again: what is kept of them lies in the archive and in quarantine.
        for copy in ("text", "raw.parquet", "explained.parquet"):
            (self.spool / copy).unlink(missing_ok=True)
        return Prepared(
            source_system=self.source.name,
            sha256=self.scanned.sha256,
            file_name=self.file_name,
            byte_count=self.scanned.byte_count,
            fingerprint=self.fingerprint,
            key_mark=self.key_mark,
            exported_at=exported_at.isoformat() if exported_at else None,
            read_count=parsed.read_count,
            independent_count=parsed.independent_count,
            out_of_scope_count=out_of_scope,
            quarantined_count=quarantined,
            warned_count=warned,
            has_faults=self.quarantine.exists(),
            tables={table: self._one(f"SELECT count(*) FROM {quoted(table + '_row')}")[0] for table in self.tables},
            rule_results=results,
            # By their places: a name may be a value that slipped into the header.
            unknown_columns=[f"number {place}" for place in parsed.unknown],
            holds=_doubts(parsed),
            forgotten_numbers=forgotten_numbers,
            forgotten_mark=self.forgotten.mark,
        )

    def _one(self, query: str) -> tuple[int, ...]:
        return self.con.execute(query).fetchone() or (0,)

    def _exported_at(self) -> datetime | None:
        stated = self.source.stated_export_time(self.file_name)
        if stated is None:
            return None
        try:
            at = datetime.fromisoformat(stated)
        except ValueError as error:
            raise UnreadableError(
                f"{self.file_name}: the name states a time of export that is no time: {stated}. Rename the file, or mend the source's pattern."
            ) from error
        return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(self.source.time_zone))

    def _set_variables(self, exported_at: datetime | None) -> None:
        block = self.key if len(self.key) <= 64 else sha256(self.key).digest()
        block = block.ljust(64, b"\0")
        today: date = self.now.astimezone(ZoneInfo(self.source.time_zone)).date()
        for name, value in {
            "source_system": self.source.name,
            "record_key": record_key(self.key),
            "inner_pad": bytes(b ^ 0x36 for b in block).hex(),
            "outer_pad": bytes(b ^ 0x5C for b in block).hex(),
            "today": today.isoformat(),
            "exported_at": exported_at.isoformat() if exported_at else None,
        }.items():
            self.con.execute(f"SET VARIABLE {name} = $value", {"value": value})

    def _add_code_lists(self) -> None:
        """The macros by which SELECTs take FHIR resources apart and look into the code lists."""
        words = _known_words()
        self.con.execute(f"CREATE TYPE known_word AS ENUM ({', '.join(map(literal, words))})")
        self.con.execute("SET VARIABLE known_codes = $codes", {"codes": list(words.values())})
        for path in statements("prepare/fhir"):
            self.con.execute(statement(path))

    def _choose_records(self, records: reading.Records, read_count: int) -> tuple[int, list[int]]:
        """View `raw`: the records which the SELECTs see. Table `fault`: what was refused before them.

        Returns how many are out of scope, and the numbers of those among them whose patients were forgotten.
        """
        out_of_scope = (
            " OR ".join(
                f"coalesce(cleaned({quoted(self._raw_name(column))}) IN ({', '.join(map(literal, values))}), FALSE)"
                for column, values in self.source.not_mapped.items()
            )
            or "FALSE"
        )
        malformed = [
            (name, f"NOT coalesce(regexp_full_match(cleaned({quoted(name)}), {literal(pattern)}), FALSE)")
            for name, pattern in records.layout.patterns.items()
        ]
        is_malformed = " OR ".join(test for _, test in malformed) or "FALSE"
        self.con.execute(statement("prepare/raw", out_of_scope=out_of_scope, malformed=is_malformed, forgotten="FALSE"))
        self.con.execute(statement("prepare/fault"))
        unmapped = self.source.select("unmapped")
        if unmapped is not None:
            self.con.execute(statement("prepare/unmapped", select=unmapped))
            out_of_scope = (
                f"({out_of_scope} OR record_number IN (SELECT record_number FROM unmapped WHERE code IS NULL))"
            )
            is_malformed += " OR record_number IN (SELECT record_number FROM unmapped WHERE code IS NOT NULL)"
            self.con.execute(
                statement("prepare/raw", out_of_scope=out_of_scope, malformed=is_malformed, forgotten="FALSE")
            )
            self.con.execute(statement("prepare/unknown_code"))
        for name, test in malformed:
            self.con.execute(
                f"INSERT INTO fault SELECT record_number, '', {literal(name + '_malformed')}, {literal(name)}, 'refuse', "
                f"{literal(f'{name} is not of the form that makes this a record')} FROM record WHERE NOT ({out_of_scope}) AND {test}"
            )
        messages = " ".join(f"WHEN {literal(fault)} THEN {literal(message)}" for fault, message in _FAULTS.items())
        self.con.execute(statement("prepare/rejected", messages=messages))
        if not self.forgotten:
            is_selective = self.source.not_mapped or unmapped is not None
            return self._one(f"SELECT count(*) FROM record WHERE {out_of_scope}")[0] if is_selective else 0, []
        numbers = self._forgotten_numbers(records, read_count)
        theirs = "record_number IN (SELECT record_number FROM forgotten_record)"
        self.con.execute(statement("prepare/raw", out_of_scope=out_of_scope, malformed=is_malformed, forgotten=theirs))
        self.con.execute(f"DELETE FROM fault WHERE {theirs}")
        (others,) = self._one(f"SELECT count(*) FROM record WHERE ({out_of_scope}) AND NOT ({theirs})")
        return others + len(numbers), numbers

    def _forgotten_numbers(self, records: reading.Records, read_count: int) -> list[int]:
        """Table `forgotten_record`: whichever records belong to people who were forgotten. Returns their numbers."""
        for command in statement("prepare/forgotten").split(";"):
            self.con.execute(command)
        tombstones, constant = sorted(self.forgotten.tombstones), self.source.patient.constant
        if constant is not None and self._is_forgotten(constant):
            self.con.execute(
                "INSERT INTO forgotten_record SELECT unnest(generate_series(1, $count::BIGINT))", {"count": read_count}
            )
            return list(range(1, read_count + 1))
        for table in self.tables:
            select = self.source.select(table) or "SELECT * FROM raw"
            delivered = [name for name, *_ in self.con.execute(f"DESCRIBE {select}").fetchall()]
            self.con.execute(pseudonym_statement(self.source, delivered, select))
        self.con.execute(statement("prepare/forgotten_patient"), {"tombstones": tombstones})
        record_ids = [str(record_id) for record_id in self.forgotten.record_ids]
        for table in self.tables:
            select = self.source.select(table) or "SELECT * FROM raw"
            delivered = [name for name, *_ in self.con.execute(f"DESCRIBE {select}").fetchall()]
            self.con.execute(owner_statement(table, self.source, delivered, select), {"record_ids": record_ids})
        columns = [quoted(name) for name in records.layout.names]
        fields = "[" + ", ".join(f"cleaned({column})" for column in columns) + "]"
        if self.source.format != "csv":
            # An id may stand anywhere inside a member that is an object or a list.
            fields = f"list_concat({fields}, regexp_extract_all(concat_ws(' ', {', '.join(columns)}), '[^\"\\[\\]{{}},:/\\s]+'))"
        is_blank = " AND ".join(f"cleaned({column}) IS NULL" for column in columns)
        self.con.execute(
            statement(
                "prepare/forgotten_record",
                fields=fields,
                is_blank=is_blank if self.forgotten.has_blanks else "FALSE",
            ),
            {"tombstones": tombstones},
        )
        rejects = [number for (number,) in self.con.execute("SELECT ordinal FROM reject ORDER BY ordinal").fetchall()]
        originals = ((n, t) for n, _, t in records.originals(iter(rejects)))
        for number in named_in(originals, self.source, self.key, self.forgotten.tombstones):
            self.con.execute("INSERT INTO forgotten_record VALUES ($number)", {"number": number})
        return [
            number
            for (number,) in self.con.execute(
                "SELECT DISTINCT record_number FROM forgotten_record ORDER BY record_number"
            ).fetchall()
        ]

    def _is_forgotten(self, source_patient_id: str) -> bool:
        return (
            tombstone(self.key, pseudonym(self.key, self.source.name, source_patient_id)) in self.forgotten.tombstones
        )

    def _raw_name(self, column: str) -> str:
        found = next((c for c in self.source.columns if column in (c.name, c.rename)), None)
        return found.raw_name if found else column

    def _spool_table(self, agreed: Contract) -> list[RuleResult]:
        """Write `<table>.parquet`, note its faults, and return what each rule saw."""
        select = self.source.select(agreed.table) or "SELECT * FROM raw"
        try:
            return self._judged_rows(agreed, select)
        except (duckdb.DataError, duckdb.InvalidInputException):
            # The message would quote the value.
            fault = "a value cannot be converted. Pass it on as text and it will be judged by the contract"
        except duckdb.ProgrammingError as error:
            fault = str(error).splitlines()[0]
        raise UnreadableError(
            f"{self.file_name}: the SELECT of source '{self.source.name}' for {agreed.table} does not run: {fault}."
        )

    def _check_select(self, agreed: Contract, delivered: list[str]) -> None:
        where = f"{self.file_name}: the SELECT of source '{self.source.name}' for {agreed.table}"
        if self.source.select(agreed.table) is None:
            if "source_record_id" not in delivered:
                raise UnreadableError(
                    f"{self.file_name}: source '{self.source.name}' has no SELECT for {agreed.table}, and its columns are not those of the "
                    f"contract. Write sources/{self.source.name}/{agreed.table}.sql."
                )
            return
        if missing := {"record_number", "source_record_id"} - set(delivered):
            raise UnreadableError(f"{where} does not give {' and '.join(sorted(missing))}. Every row must carry both.")
        own = {column.delivered_name for column in agreed.delivered_columns} | {"record_number"}
        own |= {name for name in (self.source.exported_at.column, self.source.patient.column) if name}
        if unknown := sorted(set(delivered) - own):
            raise UnreadableError(
                f"{where} gives columns that the contract does not have: {', '.join(unknown)}. See: outcomes dictionary {agreed.table} --export"
            )

    def _judged_rows(self, agreed: Contract, select: str) -> list[RuleResult]:
        delivered = [name for name, *_ in self.con.execute(f"DESCRIBE {select}").fetchall()]
        self._check_select(agreed, delivered)
        self.con.execute(pseudonym_statement(self.source, delivered, select))
        target = self.spool / f"{agreed.table}.parquet"
        # Rows carry their record's number, so they may be written in any order, which is faster.
        self.con.execute("SET preserve_insertion_order = false")
        # Of a small file it takes longer to think about the statement than to run it as it stands.
        if self.scanned.text_bytes < _SMALL_BYTES:
            self.con.execute("PRAGMA disable_optimizer")
        self.con.execute(
            f"COPY ({rows_statement(agreed, self.source, delivered, select)}) TO {literal(str(target))} (FORMAT parquet)"
        )
        self.con.execute("PRAGMA enable_optimizer")
        self.con.execute("SET preserve_insertion_order = true")
        target.chmod(0o600)
        row = quoted(f"{agreed.table}_row")
        self.con.execute(f"CREATE TEMP VIEW {row} AS SELECT * FROM read_parquet({literal(str(target))})")
        (checked,) = self._one(f"SELECT count(*) FROM {row}")
        if (
            self.source.select(agreed.table)
            and self._one(f"SELECT count(*) - count(DISTINCT (record_number, record_id)) FROM {row}")[0]
        ):
            raise UnreadableError(
                f"{self.file_name}: the SELECT of source '{self.source.name}' for {agreed.table} gives several rows of one record the same "
                "source_record_id. Give each row its own."
            )
        failed = dict(self.con.execute(statement("prepare/failed", row=row)).fetchall())
        checks = agreed.row_checks()
        for check in checks:
            if failed.get(check.name) and check.action != "warn":
                self.con.execute(
                    f"INSERT INTO fault SELECT DISTINCT record_number, {literal(agreed.table)}, {literal(check.name)}, "
                    f"{literal(check.column) if check.column else 'NULL'}, {literal(check.action)}, {literal(check.message)} "
                    f"FROM {row} WHERE list_contains(broken, {literal(check.name)})"
                )
        self.con.execute(
            f"INSERT INTO warned SELECT record_number FROM {row} WHERE len(warnings) > 0 AND NOT is_refused"
        )
        return [RuleResult(agreed.table, c.name, c.action, c.dimension, checked, failed.get(c.name, 0)) for c in checks]

    def _find_strays(self) -> None:
        """Refuse every record that went into no table, so that it cannot be lost in a SELECT's WHERE."""
        if all(self.source.select(table) is None for table in self.tables):
            return  # every record of `raw` is a row
        fed = " UNION ".join(f"SELECT record_number FROM {quoted(table + '_row')}" for table in self.tables)
        self.con.execute(
            f"INSERT INTO fault SELECT record_number, '', 'feeds_no_table', NULL, 'refuse', {literal(_FAULTS['feeds_no_table'])} "
            f"FROM (SELECT record_number FROM raw EXCEPT ({fed}))"
        )

    def _write_quarantine(self, records: reading.Records) -> None:
        """The original text of every record that was refused or had a field blanked, beside the rules it broke."""
        import pyarrow as pa

        (faults,) = self._one("SELECT count(*) FROM fault")
        if not faults:
            self.quarantine.unlink(missing_ok=True)
            return
        originals = self.spool / "originals.parquet"
        schema = pa.schema([("record_number", pa.int64()), ("line", pa.int64()), ("original", pa.string())])
        with reading.RowFile(originals, schema) as kept:
            for entry in records.originals(self._faulty_numbers()):
                kept.add(entry, len(entry[2]))
        # In the spool's unfinished folder, which is swept if this process dies.
        building = self.spool / "refused.parquet"
        self.con.execute(
            statement("prepare/quarantine", originals=literal(str(originals)), target=literal(str(building)))
        )
        originals.unlink()
        building.chmod(0o600)
        building.replace(self.quarantine)

    def _faulty_numbers(self) -> Iterator[int]:
        self.con.execute("SELECT DISTINCT record_number FROM fault ORDER BY record_number")
        while rows := self.con.fetchmany(10_000):
            yield from (number for (number,) in rows)


def open_records(
    text: Path, scanned: reading.Scan, source: Source, tables: Iterable[str], where: str
) -> reading.Records:
    """The reader for a file of this source which feeds these tables; `text` is the file as UTF-8.

    Raises UnreadableError if its header is not one of the source's.
    """
    columns = [column for table in tables for column in contract(table).delivered_columns]
    reader = CsvRecords if source.format == "csv" else JsonRecords
    known = {column.delivered_name for column in columns}
    return reader(text, scanned, source, set(required_names(columns)), known, where)


def _doubts(parsed: reading.ParsedFile) -> list[str]:
    if parsed.read_count == parsed.independent_count:
        return parsed.doubts
    second = "no number at all" if parsed.independent_count is None else f"{parsed.independent_count:,}"
    return [
        f"the counts do not balance: {parsed.read_count:,} records were read, an independent count says {second}",
        *parsed.doubts,
    ]
