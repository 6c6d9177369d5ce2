"""What pulling must know of a protocol: where a list begins, and what a place of it gives."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

# Where in a list a pull stands: whatever the protocol needs to go on from there, as JSON.
Place = dict[str, Any]


class ShiftedError(Exception):
    """The list moved while it was read, so that records may have been skipped: it is read from its beginning. It may say what to do if it always does."""


@dataclass(frozen=True)
class Fetched:
    """One answer of the server, whole and on the disk.

    `record_count` leaves out records that were asked for twice on purpose; an answer without records has nothing to land.
    `clock` is the server's, `latest` the greatest time of change that a record states, `marks` have 64 bits for each record,
    `signature` tells an answer with the same records, `notes` are for whoever pulls.
    """

    record_count: int
    next: Place | None
    clock: datetime | None = None
    latest: datetime | None = None
    exported_at: datetime | None = None
    total: int | None = None
    marks: array[int] | None = None
    signature: str = ""
    notes: tuple[str, ...] = ()


class Export(Protocol):
    """One list of an API, read from place to place."""

    # The overlap of two pulls that ask for changes only; None if everything is asked for each time.
    overlap: timedelta | None
    # Whether the next pull asks from the latest time of a record instead of the server's clock.
    is_timed_by_records: bool
    # Changes when a place, and when a time of the last pull, no longer means what it did.
    place_mark: str
    list_mark: str

    def first(self) -> Place:
        """Where the list begins."""

    def fetch(self, place: Place, since: datetime | None, into: Path) -> Fetched:
        """Write what stands at a place into a file. Raises ShiftedError, UnreadableError or TransientError."""

    def total(self, since: datetime | None, stated: int | None, into: Path) -> int | None:
        """How many records the server says there are; `stated` is what the last answer said of it, `into` a file to use."""
