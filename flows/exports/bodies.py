"""The body of a response: its records, and the members beside them. A document is held in memory, NDJSON never more than a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.exports.patience import DamagedBodyError
from schemas.sources import Source

# What prepare takes as one document.
MOST_DOCUMENT_BYTES = 64 << 20
_MOST_LINE_BYTES = 16 << 20
_NOTHING = object()


class NoRecordsError(ValueError):
    """The document has nothing where the source says that its records stand."""


class Body:
    """A body on the disk; its records can be gone through more than once. Raises DamagedBodyError if it is no JSON."""

    def __init__(self, path: Path, source: Source, *, is_bundle: bool = False) -> None:
        self._path, self._source, self._is_bundle = path, source, is_bundle
        self.document: Any = None
        if source.format == "json":
            self.document = parsed_document(path)

    def records(self) -> Iterator[Any]:
        """Each record, as the source's `records` says where its object stands. Raises NoRecordsError."""
        tail = self._source.record_path[1]
        for element in self._elements():
            yield value_at(element, tail)

    def is_wanted(self) -> Iterator[bool]:
        """Of each record in turn, whether it was asked for. A FHIR search puts others beside those, which its total leaves out."""
        for element in self._elements():
            yield not self._is_bundle or value_at(element, ("search", "mode"), "match") == "match"

    def _elements(self) -> Iterator[Any]:
        if self._source.format == "ndjson":
            return _lines(self._path)
        if self._is_bundle and value_at(self.document, ("resourceType",)) == "Bundle" and "entry" not in self.document:
            # FHIR knows no empty lists: a search that finds nothing has none.
            return iter(())
        return _elements(self.document, self._source.record_path[0])


def value_at(value: Any, steps: tuple[str, ...], default: Any = None) -> Any:
    """The member at the end of some names, or the default if there is none."""
    for name in steps:
        if not isinstance(value, dict) or name not in value:
            return default
        value = value[name]
    return value


def has(value: Any, steps: tuple[str, ...]) -> bool:
    return value_at(value, steps, _NOTHING) is not _NOTHING


def mark_of(record: Any) -> int:
    """64 bits by which a record is known again while a list is read."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _elements(document: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    names = tuple(step for step in steps if step != "[*]")
    found = value_at(document, names, _NOTHING)
    if "[*]" not in steps:
        if not isinstance(found, dict):
            raise NoRecordsError
        yield found
    elif found is not None:
        if not isinstance(found, list):
            raise NoRecordsError
        yield from found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
            raise
        # A number of thousands of digits is JSON all the same.
        return json.loads(text, parse_constant=_no_constant, parse_int=str)


def parsed_document(path: Path) -> Any:
    """The JSON document in a file. Raises DamagedBodyError if it holds none."""
    try:
        return _parsed(path.read_bytes())
    except (ValueError, RecursionError):
        raise DamagedBodyError("answers with what is no JSON, or with a part of it") from None


def _lines(path: Path) -> Iterator[Any]:
    """The records of NDJSON. A line that is none passes as a fault that prepare puts into quarantine; not the last one, if it was cut."""
    has_good, fault = False, False
    with path.open("rb") as file:
        while line := file.readline(_MOST_LINE_BYTES):
            is_whole = line.endswith(b"\n")
            if not is_whole and len(line) == _MOST_LINE_BYTES:
                while (rest := file.readline(_MOST_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield None
                continue
            if not line.strip():
                continue
            try:
                record, fault = _parsed(line), False
                has_good = True
            except (ValueError, RecursionError):
                record, fault = None, True
                if not is_whole:
                    raise DamagedBodyError("answers with lines of JSON of which the last breaks off") from None
            yield record
    if fault and not has_good:
        raise DamagedBodyError("answers with what is no JSON")
