"""From the bytes of a landed file to `raw.parquet`: every record once, counted twice, all of it still text."""

from __future__ import annotations

import codecs
import contextlib
import csv
import hashlib
import itertools
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.errors import UnreadableError
from schemas.quoting import literal, quoted
from schemas.sources import Source, SourceColumn
from sql import statement

_CHUNK = 1 << 22
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# One character a byte, so that lengths of text are places in the file. Delimiter and quote are ASCII, as is every line break.
_BYTES = "latin-1"
# How a file begins that is none of ours to read, and of which kind it is.
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
}
_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# No export shrinks like this: what unpacks to so many times its size, and to so much, was made to fill a disk.
_BOMB_RATIO, _BOMB_BYTES = 500, 1 << 30
# The longest line DuckDB's reader takes; beyond it the record is refused as a whole.
MAX_LINE_BYTES = 16 << 20
# DuckDB keeps a buffer for every column that it reads.
MAX_COLUMNS = 2000


@dataclass(frozen=True)
class Scan:
    """What one pass over a file's bytes tells."""

    sha256: str
    byte_count: int
    line_count: int
    ends_with_newline: bool
    encoding: str
    stamp: tuple[int, int, int]
    has_lone_returns: bool = False
    has_mixed_breaks: bool = False
    has_quotes_or_blank_lines: bool = True
    codec: str | None = None
    text_bytes: int = 0

    def count_of_lines(self) -> int | None:
        """The number of records after the header where lines alone tell it: no quotes, no blank lines, one kind of break."""
        if self.has_quotes_or_blank_lines or self.has_lone_returns:
            return None
        return self.line_count + (not self.ends_with_newline) - 1

    def is_plain(self, record_count: int) -> bool:
        """Whether each line is one record: no field holds a line break and no line is blank."""
        return not self.has_lone_returns and self.line_count + (not self.ends_with_newline) == record_count + 1


class _LineBreaks:
    """Counts of the line breaks in a text that comes in pieces, be they bytes or characters."""

    def __init__(self) -> None:
        self.feeds = self.returns = self.pairs = 0
        self.last: str | bytes = ""

    def add(self, piece: bytes | str) -> None:
        if not piece:
            return
        feed, carriage, pair = ("\n", "\r", "\r\n") if isinstance(piece, str) else (b"\n", b"\r", b"\r\n")
        self.feeds += piece.count(feed)  # type: ignore[arg-type]
        if carriage in piece:  # type: ignore[operator]  # most files have none, and to look is faster than to count
            self.returns += piece.count(carriage)  # type: ignore[arg-type]
            self.pairs += piece.count(pair)  # type: ignore[arg-type]
        self.pairs += self.last == carriage and piece[:1] == feed
        self.last = piece[-1:]


def scan(path: Path, source: Source) -> Scan:
    """Hash the file, count the lines of its text and make sure that it is text. What gzip or zstd packed is looked at unpacked.

    Raises UnreadableError if it is empty, binary, cut off, or not in the encoding that the source states.
    """
    stamp = stamp_of(path)
    codec = _codec_of(path)
    packed_digest = sha256_of(path) if codec else None
    digest, breaks, size = hashlib.sha256(), _LineBreaks(), 0
    quote, has_quotes_or_blank_lines, seam = source.quote.encode(), False, b"\n"
    # The hash is taken beside all else: it gives the processor free for as long as it takes.
    with contextlib.closing(_chunks(path, codec)) as chunks, ThreadPoolExecutor(max_workers=1) as beside:
        hashing: Future[None] | None = None
        first = next(chunks, b"")
        start = first[:4]
        if found := next((kind for magic, kind in _FOREIGN.items() if first.startswith(magic)), None):
            raise UnreadableError(
                f"{path.name}: {found}: a binary file, not an export in text. Export it as {source.format.upper()}."
            )
        if codec and any(first.startswith(magic) for magic in _CODECS):
            raise UnreadableError(f"{path.name}: packed twice. Deliver it packed once, or as it is.")
        encoding = "utf-16" if start.startswith(_UTF16) else source.encoding
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        is_bytewise = not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        for chunk in itertools.chain([first] if first else [], chunks):
            if packed_digest is None:
                if hashing is not None:
                    hashing.result()
                hashing = beside.submit(digest.update, chunk)
            size += len(chunk)
            if codec and size > max(_BOMB_BYTES, _BOMB_RATIO * stamp[0]):
                raise UnreadableError(
                    f"{path.name}: unpacks to more than {_BOMB_RATIO} times its size. Deliver what it holds in parts."
                )
            if not has_quotes_or_blank_lines:
                ends = seam + chunk[:2]
                has_quotes_or_blank_lines = (
                    not is_bytewise or quote in chunk or _has_blank_line(ends) or _has_blank_line(chunk)
                )
                seam = chunk[-2:]
            # ASCII is the same in every encoding that writes it in single bytes, and needs no decoding.
            is_ascii = is_bytewise and chunk.isascii() and decoder.getstate() == (b"", 0)
            text = "" if is_ascii else _decoded(decoder, chunk, path, encoding)
            if b"\0" in chunk if is_bytewise else "\0" in text:
                raise UnreadableError(
                    f"{path.name}: holds NUL bytes: a binary file, not an export in text. Export it as {source.format.upper()}."
                )
            breaks.add(chunk if is_bytewise else text)
    if size == 0 or (size <= 4 and start.lstrip(b"".join(_UTF16) + codecs.BOM_UTF8) == b""):
        raise UnreadableError(f"{path.name}: empty, not even a header. Export it again.")
    _decoded(decoder, b"", path, encoding, final=True)
    return Scan(
        sha256=packed_digest or digest.hexdigest(),
        byte_count=stamp[0] if codec else size,
        line_count=breaks.feeds,
        ends_with_newline=breaks.last in ("\n", "\r", b"\n", b"\r"),
        encoding=encoding,
        stamp=stamp,
        has_lone_returns=breaks.returns > breaks.pairs,
        has_quotes_or_blank_lines=has_quotes_or_blank_lines,
        has_mixed_breaks=breaks.returns > 0 and breaks.feeds > 0 and not breaks.returns == breaks.pairs == breaks.feeds,
        codec=codec,
        text_bytes=size,
    )


def _codec_of(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(4)
    return next((codec for magic, codec in _CODECS.items() if start.startswith(magic)), None)


def _chunks(path: Path, codec: str | None) -> Generator[bytes, None, None]:
    """The file's bytes in pieces, unpacked if it is packed. Raises UnreadableError if that fails."""
    if codec is None:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
        return
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as packed, pa.CompressedInputStream(packed, codec) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise UnreadableError(
            f"{path.name}: damaged or cut off: {codec} cannot unpack it. Deliver it again."
        ) from error


def _has_blank_line(chunk: bytes) -> bool:
    import numpy as np

    if b"\r" in chunk and b"\n\r\n" in chunk:
        return True
    # Faster than a search for two line feeds, which stops at every line.
    is_feed = np.frombuffer(chunk, np.uint8) == ord("\n")
    return bool((is_feed[1:] & is_feed[:-1]).any())


def _decoded(
    decoder: codecs.IncrementalDecoder, chunk: bytes, path: Path, encoding: str, *, final: bool = False
) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"{path.name}: not in the stated encoding {encoding} ({error.reason}). "
            "Export it in that encoding, or state the right one in the source's YAML."
        ) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def utf8_copy(path: Path, scanned: Scan, target: Path) -> Path:
    """The file itself if it is plain UTF-8 without a mark, else a copy that is: DuckDB reads other encodings wrongly or not at all."""
    is_utf8 = codecs.lookup(scanned.encoding).name == "utf-8"
    if scanned.codec is None and is_utf8:
        with path.open("rb") as file:
            if file.read(3) != codecs.BOM_UTF8:
                return path
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8 else scanned.encoding)()
    with target.open("wb") as copy:
        for chunk in _chunks(path, scanned.codec):
            copy.write(decoder.decode(chunk).encode())
        copy.write(decoder.decode(b"", final=True).encode())
    return target


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


@dataclass(frozen=True)
class Layout:
    """The file's columns in the file's order: the name of each in `raw`, and which source column it is."""

    names: tuple[str, ...]
    unknown: tuple[str, ...]
    patterns: dict[str, str]
    absent: tuple[str, ...] = ()


def match_header(header: list[str], source: Source, required: set[str], known: set[str], where: str) -> Layout:
    """Give every field of the header its name in `raw`, found by name and never by its place.

    `required` and `known` are names that the tables ask for where the source lists no columns of its own.
    Raises UnreadableError if a required column is missing or stands twice.
    """
    declared = source.columns or tuple(SourceColumn(name=name, required=name in required) for name in sorted(known))
    by_name = {_folded(c.name): c for c in declared if c.name is not None}
    by_position = {c.position: c for c in declared if c.position is not None}
    names: list[str] = []
    unknown: list[str] = []
    patterns: dict[str, str] = {}
    found: list[SourceColumn] = []
    for position, field in enumerate(header, start=1):
        column = by_position.get(position) or by_name.get(_folded(field))
        if column is None:
            unknown.append(field)
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
    return Layout(tuple(names), tuple(unknown), patterns, tuple(absent))


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


def parse(con: duckdb.DuckDBPyConnection, path: Path, source: Source, layout: Layout, target: Path) -> int:
    """Write the records to `target`, all text, and those that are no record of this shape to table `reject`.

    Returns the number of records read, good and rejected. `reject` has ordinal (of the record, from 1), start and fault;
    the ordinals hold for a plain file, for others `number_rejects` puts them right. Raises UnreadableError if the reader gives up.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in layout.names)
    read = (
        f"read_csv({literal(_as_pattern(path))}, auto_detect = false, header = true, delim = {literal(source.delimiter)}, "
        # By its name alone, a plain file would be taken for a packed one.
        f"compression = 'none', quote = {literal(source.quote)}, escape = {literal(source.quote)}, columns = {{{columns}}}, allow_quoted_nulls = false, "
        f"store_rejects = true, rejects_limit = 0, max_line_size = {MAX_LINE_BYTES}, buffer_size = {2 * MAX_LINE_BYTES}, strict_mode = true)"
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


def _as_pattern(path: Path) -> str:
    # read_csv takes a pattern: a name with * ? or [ in it would match other files, or none.
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))


def number_records(con: duckdb.DuckDBPyConnection, raw: Path, layout: Layout) -> None:
    """View `record`: every good record with its number in the file (the first after the header is 1)."""
    rejects, steps = "0", ""
    (rejected,) = con.execute("SELECT count(*) FROM reject").fetchone() or (0,)
    if rejected:
        (good,) = con.execute(f"SELECT count(*) FROM read_parquet({literal(str(raw))})").fetchone() or (0,)
        con.execute(statement("prepare/reject_step"), {"good_count": good})
        rejects = "step.before + len(list_filter(step.places, place -> place <= raw.file_row_number))"
        steps = "JOIN reject_step AS step ON step.block = raw.file_row_number // 2048"
    columns = ",\n    ".join(
        [quoted(name) for name in layout.names] + [f"NULL::VARCHAR AS {quoted(name)}" for name in layout.absent]
    )
    con.execute(statement("prepare/record", raw=literal(str(raw)), columns=columns, rejects=rejects, steps=steps))


def original_lines(
    path: Path, wanted: Iterator[int], source: Source, *, is_plain: bool
) -> Iterator[tuple[int, int, str]]:
    """(record number, line in the file, original text) of the wanted records, which come in rising order.

    A plain file has one record a line, so its lines are counted; in others Python's csv module says where records end.
    """
    records = _plain_lines(path) if is_plain else _numbered_records(path, source)
    number = next(wanted, None)
    for ordinal, line, text in records:
        if number is None:
            return
        if ordinal == number:
            yield ordinal, line, text.removesuffix(_line_end(text)).encode(_BYTES).decode("utf-8")
            number = next(wanted, None)


def write_without(
    text: Path, scanned: Scan, source: Source, numbers: frozenset[int], target: Path, *, column_count: int | None
) -> None:
    """Write the file anew, in its own encoding, without the records of these numbers. `text` is the file as UTF-8.

    With `column_count` a blank record of so many fields stands where each of them was, so that all others keep their numbers.
    """
    blank = "" if column_count is None else source.quote * 2 + source.delimiter * (column_count - 1)
    is_utf8 = codecs.lookup(scanned.encoding).name == "utf-8"
    encoder = codecs.getincrementalencoder(scanned.encoding)()
    number = -1
    with target.open("wb") as copy:
        for record in _records(text, source):
            number += not record.is_blank
            kept = record.text
            if not record.is_blank and number in numbers:
                kept = blank + _line_end(kept) if blank else ""
            content = kept.encode(_BYTES)
            copy.write(content if is_utf8 else encoder.encode(content.decode("utf-8")))
    target.chmod(0o600)


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


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Size, time of change and inode: another one, and the file is not the one that was looked at."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
