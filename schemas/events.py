"""The events that an automation consumes: written once for whoever emits, triggers and tests them.

An event is a hint, the ledger is the truth: one that is lost, doubled or late changes nothing. Payloads hold names of sources,
counts and ids of the ledger only; never a name of a file, never a value of a person.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

# All events are about the workspace: a server serves one.
RESOURCE = "outcomes.workspace"


class Event(BaseModel):
    """What happened; the fields are the payload."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]


class ExportLanded(Event):
    """Files came to rest in landing: one event a burst. Starts ingest."""

    name = "outcomes.export.landed"
    source_names: list[str]
    file_count: int


class BatchAdmitted(Event):
    """There are batches that no report has seen. Starts the report."""

    name = "outcomes.batch.admitted"
    source_names: list[str]
    file_count: int
    batch_id: int


class FileHeld(Event):
    """Files wait for an operator's word, or cannot be read. Starts a notification."""

    name = "outcomes.file.held"
    source_names: list[str]
    file_ids: list[int]


class SourceLate(Event):
    """A source has delivered nothing for longer than its stated rhythm. Starts a notification."""

    name = "outcomes.source.late"
    source_name: str
    rhythm: str
    hours_since: int


EVENTS: dict[str, type[Event]] = {event.name: event for event in (ExportLanded, BatchAdmitted, FileHeld, SourceLate)}
