"""The bytes of a landed file: what it is, how it is unpacked and made UTF-8, and what every reader of records gives back."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import itertools
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import duckdb

from flows.errors import UnreadableError
from schemas.quoting import literal, quoted
from schemas.sources import Source
from sql import statement

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1 << 22
_ROWS_AT_ONCE = 10_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
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
    longest_line: int = 0
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
    """Counts of the line breaks in a text that comes in pieces, be they bytes or characters.

    `longest` is the length of the longest line that began in one piece and ended in another: all others are shorter than a piece.
    """

    def __init__(self) -> None:
        self.feeds = self.returns = self.pairs = 0
        self.longest = self._open = 0
        self.last: str | bytes = ""

    def add(self, piece: bytes | str) -> None:
        if not piece:
            return
        feed, carriage, pair = ("\n", "\r", "\r\n") if isinstance(piece, str) else (b"\n", b"\r", b"\r\n")
        self.feeds += piece.count(feed)  # type: ignore[arg-type]
        if carriage in piece:  # type: ignore[operator]  # most files have none, and to look is faster than to count
            self.returns += piece.count(carriage)  # type: ignore[arg-type]
            self.pairs += piece.count(pair)  # type: ignore[arg-type]
        ends = [end for end in (piece.find(feed), piece.find(carriage)) if end >= 0]  # type: ignore[arg-type]
        self.longest = max(self.longest, self._open + min(ends, default=len(piece)))
        # To look from the end is quick only where there is something to find.
        last = max(piece.rfind(feed), piece.rfind(carriage) if self.returns else -1)  # type: ignore[arg-type]
        self._open = len(piece) - last - 1 if ends else self._open + len(piece)
        self.pairs += self.last == carriage and piece[:1] == feed
        self.last = piece[-1:]


def scan(path: Path, source: Source) -> Scan:
    """Hash the file, count the lines of its text and make sure that it is text. What gzip or zstd packed is looked at unpacked.

    Raises UnreadableError if it is empty, binary, cut off, or not in the encoding that the source states.
    """
    stamp = stamp_of(path)
    codec = codec_of(path)
    packed_digest = sha256_of(path) if codec else None
    digest, breaks, size = hashlib.sha256(), _LineBreaks(), 0
    quote, has_quotes_or_blank_lines, seam = source.quote.encode(), False, b"\n"
    # The hash is taken beside all else: it gives the processor free for as long as it takes.
    with contextlib.closing(chunks(path, codec)) as pieces, ThreadPoolExecutor(max_workers=1) as beside:
        hashing: Future[None] | None = None
        first = next(pieces, b"")
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
        for chunk in itertools.chain([first] if first else [], pieces):
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
        # A character has up to four bytes.
        longest_line=breaks.longest * (1 if is_bytewise else 4),
        has_lone_returns=breaks.returns > breaks.pairs,
        has_quotes_or_blank_lines=has_quotes_or_blank_lines,
        has_mixed_breaks=breaks.returns > 0 and breaks.feeds > 0 and not breaks.returns == breaks.pairs == breaks.feeds,
        codec=codec,
        text_bytes=size,
    )


def codec_of(path: Path) -> str | None:
    """How the file is packed, told by its first bytes: gzip, zstd, or None."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((codec for magic, codec in _CODECS.items() if start.startswith(magic)), None)


def chunks(path: Path, codec: str | None) -> Generator[bytes, None, None]:
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
        for chunk in chunks(path, scanned.codec):
            copy.write(decoder.decode(chunk).encode())
        copy.write(decoder.decode(b"", final=True).encode())
    return target


@dataclass(frozen=True)
class Layout:
    """The file's columns: the name of each in `raw`, in the order of `raw.parquet`; those that the file lacks."""

    names: tuple[str, ...]
    patterns: dict[str, str]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParsedFile:
    """Both counts of a file's records, the doubts about the file as a whole, and the places of columns that its source does not know."""

    read_count: int
    independent_count: int | None
    doubts: list[str]
    unknown: tuple[int, ...]


class Records(Protocol):
    """The records of one file that is UTF-8 text, whatever its format."""

    layout: Layout

    def parse(self, con: duckdb.DuckDBPyConnection, folder: Path) -> ParsedFile:
        """Write `folder/raw.parquet`; make table `reject` and view `record`. Raises UnreadableError if the file is none of the source's."""

    def originals(self, wanted: Iterator[int]) -> Iterator[tuple[int, int, str]]:
        """(record number, line in the file, original text) of the wanted records, which come in rising order."""

    def write_without(self, numbers: frozenset[int], target: Path, *, keep_numbers: bool) -> None:
        """Write the file anew, in its own encoding, without the records of these numbers.

        With `keep_numbers` a blank record stands where each of them was, so that all others keep their numbers.
        """


class RowFile:
    """A Parquet file that is written row by row; no more than a few thousand rows are held in memory."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._path, self._schema = path, schema
        self._writer = pq.ParquetWriter(path, schema)
        self._rows: list[tuple[object, ...]] = []
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()
        self._path.chmod(0o600)

    def add(self, row: tuple[object, ...], size: int = 0) -> None:
        """Take one row; `size` is roughly its bytes, if it may be large."""
        self._rows.append(row)
        self._size += size
        if len(self._rows) >= _ROWS_AT_ONCE or self._size >= _CHUNK * 4:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = [list(column) for column in zip(*self._rows, strict=True)] or [[] for _ in self._schema]
        self._writer.write_table(pa.table(columns, schema=self._schema))
        self._rows, self._size = [], 0


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


def as_pattern(path: Path) -> str:
    """The path for DuckDB's readers, which take a pattern: a name with * ? or [ in it would match other files, or none."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Size, time of change and inode: another one, and the file is not the one that was looked at."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
