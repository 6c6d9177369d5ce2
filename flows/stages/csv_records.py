"""The records of a CSV file: every one once, counted twice, all of it still text."""

from __future__ import annotations

import codecs
import csv
import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.errors import UnreadableError
from flows.stages.reading import MAX_COLUMNS, MAX_LINE_BYTES, Layout, ParsedFile, Scan, as_pattern, number_records
from schemas.quoting import literal
from schemas.sources import Source, SourceColumn
from sql import statement

_CHUNK = 1 << 22
# A line longer than this holds the file, as then the counts of records differ.
_MAX_BUFFER_BYTES = 512 << 20
# One character a byte, so that lengths of text are places in the file. Delimiter and quote are ASCII, as is every line break.
_BYTES = "latin-1"


class CsvRecords:
    """The records of one file which is UTF-8 already; `text` is that file, `where` its name in messages.

    `required` and `known` are names of columns that the tables ask for where the source lists none of its own.
    Raises UnreadableError if the header is not one of the source's.
    """

    def __init__(
        self, text: Path, scanned: Scan, source: Source, required: set[str], known: set[str], where: str
    ) -> None:
        self._text, self._scanned, self._source = text, scanned, source
        self.layout = match_header(read_header(text, source), source, required, known, where)
        self._is_plain = False

    def parse(self, con: duckdb.DuckDBPyConnection, folder: Path) -> ParsedFile:
        """See `reading.Records`. Where quotes decide what is a record, a second reader runs beside the first; else lines tell."""
        even = even_copy(self._text, self._scanned, self._source, folder / "even")
        raw = folder / "raw.parquet"
        independent_count = self._scanned.count_of_lines()
        if independent_count is not None:
            read_count = parse(con, even, self._source, self.layout, raw, self._scanned.longest_line)
        else:
            with ThreadPoolExecutor(max_workers=1) as beside:
                counting = beside.submit(count_independently, even, self._source, len(self.layout.names))
                read_count = parse(con, even, self._source, self.layout, raw, self._scanned.longest_line)
                independent_count = counting.result()
        self._is_plain = self._scanned.is_plain(read_count)
        doubts = self._doubts(con, even, read_count)
        (folder / "even").unlink(missing_ok=True)
        number_records(con, raw, self.layout)
        unknown = (place for place, name in enumerate(self.layout.names, start=1) if name == f"unknown_{place}")
        return ParsedFile(read_count, independent_count, doubts, tuple(unknown))

    def _doubts(self, con: duckdb.DuckDBPyConnection, text: Path, read_count: int) -> list[str]:
        """Why the file as a whole cannot be trusted, whatever its records say. Gives the rejects their right numbers."""
        (rejected,) = con.execute("SELECT count(*) FROM reject").fetchone() or (0,)
        if not rejected:
            return []
        doubts = []
        if not self._is_plain and not number_rejects(con, text, self._source, read_count):
            doubts.append("a quote that is not closed leaves open where its record ends and the next begins")
        last = con.execute("SELECT fault FROM reject WHERE ordinal = $last", {"last": read_count}).fetchone()
        if last and not self._scanned.ends_with_newline:
            doubts.append(f"the file ends inside record {read_count:,}: it was probably cut off on its way")
        elif last and last[0] == "broken_quotes" and not self._is_plain:
            doubts.append(
                f"a quote in record {read_count:,} is not closed before the end of the file: other records may be inside it"
            )
        return doubts

    def originals(self, wanted: Iterator[int]) -> Iterator[tuple[int, int, str]]:
        """See `reading.Records`. In a plain file lines are counted; in others Python's csv module says where records end."""
        records = _plain_lines(self._text) if self._is_plain else _numbered_records(self._text, self._source)
        number = next(wanted, None)
        for ordinal, line, text in records:
            if number is None:
                return
            if ordinal == number:
                yield ordinal, line, text.removesuffix(_line_end(text)).encode(_BYTES).decode("utf-8")
                number = next(wanted, None)

    def write_without(self, numbers: frozenset[int], target: Path, *, keep_numbers: bool) -> None:
        """See `reading.Records`."""
        quote, delimiter = self._source.quote, self._source.delimiter
        blank = quote * 2 + delimiter * (len(self.layout.names) - 1) if keep_numbers else ""
        is_utf8 = codecs.lookup(self._scanned.encoding).name == "utf-8"
        encoder = codecs.getincrementalencoder(self._scanned.encoding)()
        number = -1
        with target.open("wb") as copy:
            for record in _records(self._text, self._source):
                number += not record.is_blank
                kept = record.text
                if not record.is_blank and number in numbers:
                    kept = blank + _line_end(kept) if blank else ""
                content = kept.encode(_BYTES)
                copy.write(content if is_utf8 else encoder.encode(content.decode("utf-8")))
        target.chmod(0o600)


def even_copy(path: Path, scanned: Scan, source: Source, target: Path) -> Path:
    """The file itself if all its records end alike, else a copy in which they do. `path` is UTF-8.

    DuckDB's reader takes one kind of line break and rejects, or misreads, records that end in another. Breaks inside quoted
    fields may be of any kind and are kept.
    """
    if not scanned.has_mixed_breaks:
        return path
    if len({_line_end(record.text) for record in _records(path, source)} - {""}) <= 1:
        return path
    with target.open("w", encoding=_BYTES, newline="") as copy:
        for record in _records(path, source):
            end = _line_end(record.text)
            copy.write(record.text.removesuffix(end) + "\n" * bool(end))
    return target


def _line_end(text: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if text.endswith(end)), "")


def read_header(path: Path, source: Source) -> list[str]:
    """The fields of the first record. `path` is UTF-8. Raises UnreadableError if there is none."""
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file, delimiter=source.delimiter, quotechar=source.quote), None)
    if not header:
        raise UnreadableError(f"{path.name}: no header in the first line. The first line must name the columns.")
    if len(header) > MAX_COLUMNS:
        raise UnreadableError(
            f"{path.name}: its first line names {len(header):,} columns; more than {MAX_COLUMNS:,} are not read. Export those that are needed."
        )
    return header


def match_header(header: list[str], source: Source, required: set[str], known: set[str], where: str) -> Layout:
    """Give every field of the header its name in `raw`, found by name and never by its place.

    `required` and `known` are names that the tables ask for where the source lists no columns of its own.
    Raises UnreadableError if a required column is missing or stands twice.
    """
    declared = source.columns or tuple(SourceColumn(name=name, required=name in required) for name in sorted(known))
    by_name = {_folded(c.name): c for c in declared if c.name is not None}
    by_position = {c.position: c for c in declared if c.position is not None}
    names: list[str] = []
    patterns: dict[str, str] = {}
    found: list[SourceColumn] = []
    for position, field in enumerate(header, start=1):
        column = by_position.get(position) or by_name.get(_folded(field))
        if column is None:
            names.append(f"unknown_{position}")
            continue
        if column in found:
            raise UnreadableError(f"{where}: the column '{column.name}' stands twice in the header. Keep one of them.")
        found.append(column)
        names.append(f"ignored_{position}" if column.ignore else column.raw_name)
        if column.pattern:
            patterns[column.raw_name] = column.pattern
    if missing := [c.name or f"number {c.position}" for c in declared if c.required and c not in found]:
        raise UnreadableError(
            f"{where}: the header lacks the required column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            + (
                f"It has a single column: is another sign than {source.delimiter!r} between the columns?"
                if len(header) == 1
                else f"It has {len(header)} others. Export {'them' if len(missing) > 1 else 'it'} too, or name the right source."
            )
        )
    # A SELECT may name every column that its source does, also those that this file can do without.
    absent = [c.raw_name for c in source.columns if c not in found and not c.ignore and c.name]
    return Layout(tuple(names), patterns, tuple(absent))


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def count_independently(path: Path, source: Source, column_count: int) -> int | None:
    """The number of records after the header, by a reader that shares nothing with DuckDB's; None if it cannot tell."""
    import pyarrow as pa

    if len(list(itertools.islice(_records(path, source), 2))) < 2:
        return 0  # PyArrow cannot read a header that no line break ends.
    for block_size in (_CHUNK, MAX_LINE_BYTES * 2):
        try:
            return _count_in_blocks(path, source, column_count, block_size)
        except pa.ArrowInvalid:
            # A record may be longer than a block. Blocks are small at first, as several of them are held in memory.
            continue
    return None


def _count_in_blocks(path: Path, source: Source, column_count: int, block_size: int) -> int:
    import pyarrow as pa
    import pyarrow.csv as pacsv

    invalid = itertools.count()

    def skip(_row: object) -> str:
        next(invalid)
        return "skip"

    names = [str(place) for place in range(column_count)]
    # Given the path, PyArrow would take a plain file for a packed one by its name.
    reader = pacsv.open_csv(
        pa.OSFile(str(path)),
        read_options=pacsv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=block_size),
        parse_options=pacsv.ParseOptions(
            delimiter=source.delimiter,
            quote_char=source.quote,
            double_quote=True,
            newlines_in_values=True,
            invalid_row_handler=skip,
        ),
        convert_options=pacsv.ConvertOptions(include_columns=["0"], column_types={"0": pa.binary()}, check_utf8=False),
    )
    good: int = sum(batch.num_rows for batch in reader)
    return good + next(invalid)


def parse(
    con: duckdb.DuckDBPyConnection, path: Path, source: Source, layout: Layout, target: Path, longest_line: int = 0
) -> int:
    """Write the records to `target`, all text, and those that are no record of this shape to table `reject`.

    Returns the number of records read, good and rejected. `reject` has ordinal (of the record, from 1), start and fault;
    the ordinals hold for a plain file, for others `number_rejects` puts them right. Raises UnreadableError if the reader gives up.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in layout.names)
    # A line that does not fit into the reader's buffer would be left out without a word. The last few bytes are its break.
    buffer_bytes = max(2 * MAX_LINE_BYTES, min(longest_line + (1 << 20), _MAX_BUFFER_BYTES))
    read = (
        f"read_csv({literal(as_pattern(path))}, auto_detect = false, header = true, delim = {literal(source.delimiter)}, "
        # By its name alone, a plain file would be taken for a packed one.
        f"compression = 'none', quote = {literal(source.quote)}, escape = {literal(source.quote)}, columns = {{{columns}}}, allow_quoted_nulls = false, "
        f"store_rejects = true, rejects_limit = 0, max_line_size = {MAX_LINE_BYTES}, buffer_size = {buffer_bytes}, strict_mode = true)"
    )
    try:
        (good,) = con.execute(f"COPY (SELECT * FROM {read}) TO {literal(str(target))} (FORMAT parquet)").fetchone() or (
            0,
        )
    except duckdb.InvalidInputException as error:
        # The reader's own message quotes the line.
        raise UnreadableError(
            f"{path.name}: the lines cannot be told apart as records. Export it again, with one kind of line break and quotes that close."
        ) from error
    target.chmod(0o600)
    con.execute(statement("prepare/reject"))
    (rejected,) = con.execute("SELECT count(*) FROM reject").fetchone() or (0,)
    return int(good) + int(rejected)


def number_rejects(con: duckdb.DuckDBPyConnection, path: Path, source: Source, read_count: int) -> bool:
    """Put the ordinals in `reject` right for a file in which records and lines differ: the reader counts blank lines too.

    Returns False if Python's csv module, by which that is done, sees other records than the reader.
    """
    import pyarrow as pa

    found = con.execute("SELECT ordinal, start FROM reject ORDER BY ordinal").fetchnumpy()
    rejects = zip(found["ordinal"].tolist(), found["start"].tolist(), strict=True)
    numbers: list[tuple[int, int]] = []
    wanted = next(rejects, None)
    ordinal, end, is_agreed = -1, 0, True
    for row, record in enumerate(_records(path, source)):
        ordinal += not record.is_blank
        if wanted is not None and row == wanted[0]:
            # The reader's start of a record lies behind the record before, perhaps inside its line break, and before this one.
            is_agreed = is_agreed and not record.is_blank and end - 1 <= wanted[1] <= record.start
            numbers.append((row, ordinal))
            wanted = next(rejects, None)
        if not record.is_blank:
            end = record.start + len(record.text)
    if wanted is not None or ordinal != read_count or not is_agreed:
        return False
    schema = pa.schema([("row", pa.int64()), ("ordinal", pa.int64())])
    con.register(
        "reject_number",
        pa.table([pa.array(column) for column in zip(*numbers, strict=True)] or [[], []], schema=schema),
    )
    con.execute("UPDATE reject SET ordinal = n.ordinal FROM reject_number AS n WHERE n.row = reject.ordinal")
    con.unregister("reject_number")
    return True


def _plain_lines(path: Path) -> Iterator[tuple[int, int, str]]:
    with path.open(encoding=_BYTES, newline="\n") as file:
        next(file)
        for ordinal, line in enumerate(file, start=1):
            yield ordinal, ordinal + 1, line


def _numbered_records(path: Path, source: Source) -> Iterator[tuple[int, int, str]]:
    records = (record for record in _records(path, source) if not record.is_blank)
    next(records)
    for ordinal, record in enumerate(records, start=1):
        yield ordinal, record.line, record.text


@dataclass(frozen=True)
class _Record:
    """A record or a blank line as it stands in the file: where it starts, and its bytes, one character each."""

    line: int
    start: int
    text: str
    is_blank: bool


def _records(path: Path, source: Source) -> Iterator[_Record]:
    """What stands in a UTF-8 file by Python's csv module, header and blank lines included."""
    csv.field_size_limit(sys.maxsize)
    taken: list[str] = []
    start = 0

    def lines() -> Iterator[str]:
        with path.open(encoding=_BYTES, newline="") as file:
            for line in file:
                taken.append(line)
                yield line

    reader = csv.reader(lines(), delimiter=source.delimiter, quotechar=source.quote)
    for fields in reader:
        text = "".join(taken)
        yield _Record(reader.line_num - len(taken) + 1, start, text, is_blank=not fields)
        start += len(text)
        taken.clear()
