"""People who asked to be forgotten: how they are known again without being named, and which records of a file are theirs."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from schemas.sources import Source


@dataclass(frozen=True)
class Forgotten:
    """Who is to be left out of a file.

    `record_ids` are records known to be theirs, for rows that name no patient. `has_blanks` says that the file was rewritten
    before, and that its blank records stand where theirs were, so that all others keep their numbers.
    """

    tombstones: frozenset[str] = frozenset()
    record_ids: frozenset[UUID] = frozenset()
    has_blanks: bool = False

    def __bool__(self) -> bool:
        return bool(self.tombstones or self.has_blanks)

    @property
    def mark(self) -> str:
        """Changes when somebody else is to be left out: what was prepared before must then be prepared anew."""
        parts = [*sorted(self.tombstones), *sorted(map(str, self.record_ids)), str(self.has_blanks)]
        return sha256("\0".join(parts).encode()).hexdigest()[:16] if self else ""


NOBODY = Forgotten()


def pseudonym(key: bytes, source_system: str, source_patient_id: str) -> UUID:
    """The patient's id in the warehouse. The macro `patient_uuid` says the same."""
    return UUID(_keyed_hash(key, "patient", source_system, source_patient_id))


def tombstone(key: bytes, patient_id: UUID) -> str:
    """By what a forgotten patient is known again, of no use without the key. The macro `tombstone` says the same."""
    return hmac.new(key, _prefixed("forgotten") + str(patient_id).encode(), sha256).hexdigest()[:32]


def _keyed_hash(key: bytes, *parts: str) -> str:
    return hmac.new(key, b"".join(map(_prefixed, parts)), sha256).hexdigest()[:32]


def _prefixed(text: str) -> bytes:
    encoded = text.encode()
    return str(len(encoded)).encode() + b":" + encoded


def named_in(texts: Iterable[tuple[int, str]], source: Source, key: bytes, tombstones: frozenset[str]) -> Iterator[int]:
    """Numbers of the records, given by their original text, in which a field is the id of a forgotten patient.

    For records that could not be taken apart: their fields are guessed, by every sign that may end one.
    """
    signs = re.escape(source.delimiter + source.quote) if source.format == "csv" else r"\"\[\]{},:/\s"
    ends = re.compile(f"[{signs}\r\n]")
    for number, text in texts:
        fields = {field.strip(" \t\xa0") for field in ends.split(text)} - {""}
        if any(tombstone(key, pseudonym(key, source.name, field)) in tombstones for field in fields):
            yield number
