"""The records of a JSON document or of NDJSON: every object once, counted twice, its members still text."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from flows.errors import UnreadableError
from flows.stages.reading import (
    MAX_COLUMNS,
    MAX_LINE_BYTES,
    Layout,
    ParsedFile,
    RowFile,
    Scan,
    as_pattern,
    number_records,
)
from schemas.quoting import literal
from schemas.sources import Source, SourceColumn
from sql import statement

# A document is held in memory as a whole; what is larger comes as NDJSON.
MAX_DOCUMENT_BYTES = 64 << 20
# Deeper than any record is, and far from where readers give up.
MAX_DEPTH = 100
# The column of `raw` with the members that the source does not list, as one JSON object.
UNKNOWN_MEMBERS = "unknown_members"
_SPACE = re.compile(r"[ \t\r\n]*")
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}
# What json.dumps(…, ensure_ascii=False) makes of a text, in a ninth of the time.
_escaped = json.encoder.encode_basestring


class _Number(str):
    """A number with the digits that the file has: no double can hold all of them."""

    __slots__ = ()


class _DuplicateKeysError(ValueError):
    """A name stands twice in an object. Which of its values holds, nobody can say."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeysError
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_Number, parse_int=_Number, parse_constant=_no_number
)


@dataclass(frozen=True)
class _Entry:
    """A record as it stands in the file, and the object in it, or the fault that keeps it from being one."""

    line: int
    start: int
    text: str
    value: dict[str, Any] | None
    fault: str | None = None


class JsonRecords:
    """The records of one file which is UTF-8 already; `text` is that file, `where` its name in messages.

    `required` and `known` are names of members that the tables ask for where the source lists none of its own.
    """

    def __init__(
        self, text: Path, scanned: Scan, source: Source, required: set[str], known: set[str], where: str
    ) -> None:
        self._text, self._scanned, self._source, self._where = text, scanned, source, where
        declared = source.columns or tuple(SourceColumn(name=n, required=n in required) for n in sorted(known))
        self._columns = {column.name: column for column in declared if column.name is not None}
        taken = [column for column in declared if not column.ignore]
        patterns = {column.raw_name: column.pattern for column in taken if column.pattern}
        self.layout = Layout((*(column.raw_name for column in taken), UNKNOWN_MEMBERS), patterns)

    def parse(self, con: duckdb.DuckDBPyConnection, folder: Path) -> ParsedFile:
        """Write `raw.parquet`, table `reject` and view `record`; count the records, here and by DuckDB's own reader.

        Raises UnreadableError if a document is not JSON, has no records where the source says they stand, or lacks a
        required member in all of them.
        """
        import pyarrow as pa

        read_count, last_fault = 0, None
        seen: dict[str, int] = {}
        raw = pa.schema([(name, pa.string()) for name in self.layout.names])
        reject = pa.schema([("ordinal", pa.int64()), ("fault", pa.string())])
        with RowFile(folder / "raw.parquet", raw) as good, RowFile(folder / "reject.parquet", reject) as rejected:
            for read_count, entry in enumerate(self._entries(), start=1):
                last_fault = entry.fault
                if entry.value is None:
                    rejected.add((read_count, entry.fault))
                else:
                    good.add(self._row(entry.value, seen), len(entry.text))
        self._check_members(seen)
        con.execute(
            f"CREATE TEMP TABLE reject AS SELECT * FROM read_parquet({literal(str(folder / 'reject.parquet'))})"
        )
        (folder / "reject.parquet").unlink()
        number_records(con, folder / "raw.parquet", self.layout)
        independent = self._count_independently(con)
        doubts = []
        if last_fault and self._source.format == "ndjson" and not self._scanned.ends_with_newline:
            doubts.append(f"the file ends inside record {read_count:,}: it was probably cut off on its way")
        unknown = tuple(place for name, place in seen.items() if name not in self._columns)
        return ParsedFile(read_count, independent, doubts, unknown)

    def originals(self, wanted: Iterator[int]) -> Iterator[tuple[int, int, str]]:
        """(record number, line in the file, original text) of the wanted records, which come in rising order."""
        number = next(wanted, None)
        for ordinal, entry in enumerate(self._entries(), start=1):
            if number is None:
                return
            if ordinal == number:
                yield ordinal, entry.line, entry.text
                number = next(wanted, None)

    def write_without(self, numbers: frozenset[int], target: Path, *, keep_numbers: bool) -> None:
        """Write the file anew, in its own encoding, without the records of these numbers.

        With `keep_numbers` an object without members stands where each of them was, so that all others keep their numbers.
        """
        encoder = codecs.getincrementalencoder(self._scanned.encoding)()
        blank = "{}"
        for name in reversed(self._source.record_path[1]):
            blank = f"{{{json.dumps(name)}:{blank}}}"
        with target.open("wb") as copy:
            for piece in self._pieces(numbers, blank if keep_numbers else None):
                copy.write(encoder.encode(piece))
        target.chmod(0o600)

    def _pieces(self, numbers: frozenset[int], blank: str | None) -> Iterator[str]:
        numbered = enumerate(self._entries(), start=1)
        if self._source.format == "ndjson":
            for number, entry in numbered:
                kept = blank if number in numbers else entry.text
                if kept is not None:
                    yield kept + "\n"
            return
        document, end, comma = self._document(), 0, False
        is_single = "[*]" not in self._source.record_path[0]
        for number, entry in numbered:
            if number == 1:
                yield "" if is_single and blank is None and number in numbers else document[: entry.start]
            end = entry.start + len(entry.text)
            kept = blank if number in numbers else entry.text
            if kept is not None:
                yield "," * comma + kept
                comma = True
        if not (is_single and not comma):
            yield document[end:]

    def _row(self, members: dict[str, Any], seen: dict[str, int]) -> tuple[str | None, ...]:
        for name in members:
            if name not in seen:
                seen[name] = len(seen) + 1
                if len(seen) > MAX_COLUMNS:
                    raise UnreadableError(
                        f"{self._where}: its records have more than {MAX_COLUMNS:,} different members. Export those that are needed."
                    )
        unknown = {name: value for name, value in members.items() if name not in self._columns}
        known = (_as_text(members.get(n), self._source.decimal) for n, c in self._columns.items() if not c.ignore)
        return (*known, _dumped(unknown) if unknown else None)

    def _check_members(self, seen: dict[str, int]) -> None:
        # A file without any members is one from which all records were erased.
        missing = [n for n, column in self._columns.items() if column.required and n not in seen]
        if seen and missing:
            raise UnreadableError(
                f"{self._where}: none of its records has the required member{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
                f"Export {'them' if len(missing) > 1 else 'it'} too, name the right source, or say in its SELECTs where they stand."
            )

    def _count_independently(self, con: duckdb.DuckDBPyConnection) -> int | None:
        steps, _ = self._source.record_path
        if self._source.format == "ndjson":
            name, values = "prepare/count_ndjson", {"path": as_pattern(self._text), "most": MAX_LINE_BYTES}
        elif "[*]" not in steps:
            name, values = "prepare/count_object", {"path": as_pattern(self._text)}
        else:
            pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps if step != "[*]")
            name, values = "prepare/count_array", {"path": as_pattern(self._text), "pointer": pointer}
        try:
            (count,) = con.execute(statement(name), values).fetchone() or (None,)
        except (duckdb.DataError, duckdb.InvalidInputException):
            return None
        return None if count is None else int(count)

    def _entries(self) -> Iterator[_Entry]:
        return self._lines() if self._source.format == "ndjson" else self._elements()

    def _lines(self) -> Iterator[_Entry]:
        tail, start = self._source.record_path[1], 0
        with self._text.open("rb") as file:
            for line in itertools.count(1):
                piece = file.readline(MAX_LINE_BYTES)
                if not piece:
                    return
                content, length = piece.strip(b" \t\r\n").decode("utf-8", "replace"), len(piece)
                is_whole = piece.endswith(b"\n") or length < MAX_LINE_BYTES
                while not is_whole:
                    rest = file.readline(MAX_LINE_BYTES)
                    length += len(rest)
                    is_whole = rest.endswith(b"\n") or len(rest) < MAX_LINE_BYTES
                if length > MAX_LINE_BYTES:
                    yield _Entry(line, start, content, None, "line_too_long")
                elif content:
                    yield _Entry(line, start, content, *_record(content, tail))
                start += length

    def _document(self) -> str:
        if self._text.stat().st_size > MAX_DOCUMENT_BYTES:
            raise UnreadableError(
                f"{self._where}: a JSON document of more than {MAX_DOCUMENT_BYTES >> 20} MB. Export it as NDJSON, one object a line, or in parts."
            )
        return self._text.read_bytes().decode("utf-8")

    def _elements(self) -> Iterator[_Entry]:
        document = self._document()
        steps, tail = self._source.record_path
        line, counted = 1, 0
        try:
            for start, end in self._walk(document, _SPACE.match(document).end(), steps):  # type: ignore[union-attr]
                line, counted = line + document.count("\n", counted, start), start
                text = document[start:end]
                yield _Entry(line, start, text, *_record(text, tail))
        except _NotJsonError as error:
            place = document.count("\n", 0, error.at) + 1
            raise UnreadableError(
                f"{self._where}: no JSON document: it breaks off or has a fault in line {place:,}. Export it again."
            ) from None

    def _walk(self, text: str, at: int, steps: tuple[str, ...]) -> Generator[tuple[int, int], None, int]:
        """Start and end of each record below the value that starts at `at`; returns where that value ends.

        The whole document is gone through, so that a fault behind the last record is found too.
        """
        is_outermost = steps == self._source.record_path[0]
        if not steps:
            end = _end_of(text, at)
            yield at, end
        else:
            opening = "[" if steps[0] == "[*]" else "{"
            if text[at : at + 1] != opening:
                self._lacks_records()
            end, is_found = at + 1, opening == "["
            end = _skip(text, end)
            while text[end : end + 1] != _CLOSING[opening]:
                name = None
                if opening == "{":
                    name, end = _string(text, end)
                    end = _skip(text, _expected(text, _skip(text, end), ":"))
                if opening == "[" or name == steps[0]:
                    if name is not None and is_found:
                        raise UnreadableError(f"{self._where}: '{name}' stands twice in the document. Export it again.")
                    is_found = True
                    end = yield from self._walk(text, end, steps[1:])
                else:
                    end = _end_of(text, end)
                end = _past_comma(text, _skip(text, end), _CLOSING[opening])
            if not is_found:
                self._lacks_records()
            end += 1
        if is_outermost and _skip(text, end) != len(text):
            raise _NotJsonError(end)
        return end

    def _lacks_records(self) -> None:
        raise UnreadableError(
            f"{self._where}: has nothing at {self._source.records}, where source '{self._source.name}' says that its records stand. "
            "Name the right source, or mend its YAML."
        )


class _NotJsonError(ValueError):
    """The document is no JSON at the character `at`."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _expected(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise _NotJsonError(at)
    return at + 1


def _past_comma(text: str, at: int, closing: str) -> int:
    """Where the next member or element starts, or the bracket that closes them."""
    if text[at : at + 1] == closing:
        return at
    following = _skip(text, _expected(text, at, ","))
    if text[following : following + 1] == closing:
        raise _NotJsonError(following)
    return following


def _string(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        raise _NotJsonError(at)
    try:
        return _DECODER.raw_decode(text, at)
    except ValueError:
        raise _NotJsonError(at) from None


def _end_of(text: str, at: int) -> int:
    """Where the value that starts at `at` ends. One that is nested too deep or names a member twice is told by its brackets."""
    try:
        return _DECODER.raw_decode(text, at)[1]
    except (_DuplicateKeysError, RecursionError):
        pass
    except ValueError as error:
        raise _NotJsonError(getattr(error, "pos", at)) from None
    open_brackets: list[str] = []
    for found in _BRACKET.finditer(text, at):
        sign = found.group()
        if sign in _CLOSING:
            open_brackets.append(_CLOSING[sign])
        elif sign in ("]", "}"):
            if open_brackets.pop() != sign:
                raise _NotJsonError(found.start())
            if not open_brackets:
                return found.end()
    raise _NotJsonError(len(text))


def _record(text: str, tail: tuple[str, ...]) -> tuple[dict[str, Any] | None, str | None]:
    """The object that a record is, or why it is none."""
    if len(text.encode()) > MAX_LINE_BYTES:
        return None, "line_too_long"
    if _depth(text) > MAX_DEPTH:
        return None, "nested_too_deep"
    try:
        value = _DECODER.decode(text)
    except _DuplicateKeysError:
        return None, "duplicate_keys"
    except ValueError:
        return None, "unreadable_record"
    for name in tail:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return None, "no_object"
    if "\\u" in text and not all(map(_is_storable, _texts(value))):
        return None, "unreadable_record"
    return value, None


def _depth(text: str) -> int:
    """How deep the brackets nest, or fewer than `MAX_DEPTH` if there are too few of them to matter."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for found in _BRACKET.finditer(text):
        sign = found.group()
        depth += (sign in _CLOSING) - (sign in ("]", "}"))
        deepest = max(deepest, depth)
    return deepest


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _is_storable(text: str) -> bool:
    """Half a surrogate pair is no character, and a NUL ends a text in half of the tools that may read it."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _as_text(value: Any, decimal: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, _Number):
        # The source's decimal sign is that of its texts; a JSON number always has a point.
        return value.replace(".", decimal)
    return value if isinstance(value, str) else _dumped(value)


def _dumped(value: Any) -> str:
    if isinstance(value, _Number):
        return value
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, dict):
        members = [f"{_escaped(name)}:{_dumped(inner)}" for name, inner in value.items()]
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dumped, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
