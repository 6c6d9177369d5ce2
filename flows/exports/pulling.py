"""The order of a pull: fetch, land, remember. Killed anywhere, the next one goes on behind the last page that landed."""

from __future__ import annotations

import contextlib
import json
import shutil
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from flows.errors import HeldError, PipelineError, TransientError, UnreadableError
from flows.exports import state as states
from flows.exports.bulk import BulkExport
from flows.exports.client import Client, RejectedError
from flows.exports.export import Export, Fetched, ShiftedError
from flows.exports.files import put
from flows.exports.redcap import RedcapExport
from flows.exports.rest import RestExport
from flows.exports.state import Progress
from flows.settings import Workspace
from schemas.apis import BulkApi, RedcapApi
from schemas.sources import Source

# Told of each page that has landed: the list's name, its pages and records so far.
Told = Callable[[str, int, int], None]

_TEMPORARY = ".pull-"
# A list that moves is read again from its beginning so often before the pull gives up for now; one that lacks records, once.
_MOST_RESTARTS, _MOST_RECOUNTS = 3, 1
# As often as a server may give the same records in one reading, or none in a row, before it counts as one that goes in circles.
_MOST_SAME, _MOST_EMPTY = 3, 1_000


@dataclass(frozen=True)
class ListOutcome:
    """What became of one list of an API. What has landed has landed, whether the list was read to its end or not."""

    name: str
    page_count: int = 0
    record_count: int = 0
    is_complete: bool = True
    exit_code: int = 0
    message: str = ""
    notes: list[str] = field(default_factory=list)


def list_names(source: Source) -> list[str]:
    """The lists of a source's API, by the names that their files begin with."""
    return list(source.api.lists) if source.api else []


def pull_list(
    workspace: Workspace, source: Source, name: str, since: datetime | None, now: datetime, told: Told | None = None
) -> ListOutcome:
    """Bring one list of the source's API into landing, from where the last pull ended, or all that has changed `since`.

    Raises TransientError if the server cannot be reached, UnreadableError if what it answers cannot be used, HeldError if
    records are missing by the server's own count, PipelineError if the disk fails. What has landed by then stays, and the next pull goes on behind it.
    """
    assert source.api is not None
    least_free = workspace.settings.minimum_free_bytes
    with Client(source.api, free_bytes=lambda: shutil.disk_usage(workspace.root).free - least_free) as client:
        try:
            return _Pull(workspace, source, name, _export(source, name, client), now, told).run(since)
        except OSError as error:
            raise PipelineError(
                f"{name}: {workspace.root} cannot be written: {error.strerror or 'unknown fault'}. Mend that, then run the command again: what has landed stays."
            ) from error


def _export(source: Source, name: str, client: Client) -> Export:
    api = source.api
    if isinstance(api, BulkApi):
        return BulkExport(source, api, client)
    if isinstance(api, RedcapApi):
        return RedcapExport(source, api, next(wanted for wanted in api.paths if wanted.file == name), client)
    assert api is not None
    return RestExport(source, api, next(path for path in api.paths if path.file == name), client)


def alone(workspace: Workspace, source: Source) -> contextlib.AbstractContextManager[None]:
    """One pull of a source at a time. Raises TransientError if another one runs."""
    return states.alone(workspace, source.name)


class _Pull:
    """One list on its way into landing."""

    def __init__(
        self, workspace: Workspace, source: Source, name: str, export: Export, now: datetime, told: Told | None
    ) -> None:
        self._source, self._name, self._export, self._now, self._told = source, name, export, now, told
        self._landing = workspace.folder("landing", source.name)
        self._kept = states.path_of(workspace, source.name, name)
        self._temporary = self._landing / f"{_TEMPORARY}{name}.tmp"
        self._state = states.load(self._kept, export.list_mark, export.place_mark)
        self._notes: list[str] = []
        # Only while one process reads the whole list: they are not kept.
        self._marks: array[int] | None = array("Q")
        self._forget_way()

    def run(self, since: datetime | None) -> ListOutcome:
        if since is not None:
            self._state = replace(self._state, since=since, progress=None)
        progress = self._state.progress
        is_resumed = progress is not None
        if progress is None:
            progress = self._begin(self._state.since)
        else:
            self._marks = None
        try:
            progress = self._to_its_end(progress, is_resumed=is_resumed)
        finally:
            for left in self._landing.glob(f"{_TEMPORARY}{self._name}.tmp*"):
                left.unlink(missing_ok=True)
        self._state = replace(self._state, since=self._next_since(progress), progress=None)
        states.save(self._kept, self._state)
        return ListOutcome(self._name, progress.page_count, progress.record_count, notes=self._notes)

    def _begin(self, since: datetime | None, restart_count: int = 0) -> Progress:
        self._marks = array("Q")
        self._forget_way()
        return Progress(self._export.first(), since, restart_count=restart_count)

    def _forget_way(self) -> None:
        self._been: set[str] = set()
        self._signatures, self._empty_count = Counter[str](), 0

    def _to_its_end(self, progress: Progress, *, is_resumed: bool) -> Progress:
        error: type[PipelineError]
        while True:
            advice = "What has landed stays; the next pull begins where this one did."
            try:
                while progress.place is not None:
                    progress = self._one_page(progress)
                    is_resumed = False
                missing = self._missing(progress)
                if not missing:
                    return progress
                why, error, most = f"{missing:,} records fewer than its total says", HeldError, _MOST_RECOUNTS
            except ShiftedError as shifted:
                advice = f"{advice} {shifted}".rstrip()
                why, error, most = "records that move while they are read", TransientError, _MOST_RESTARTS
            except RejectedError:
                if not is_resumed:
                    raise
                # Some marks hold for minutes only.
                self._notes.append("the server no longer knew where the last pull had stopped: begun anew")
                progress, is_resumed = self._begin(progress.since, progress.restart_count), False
                continue
            if progress.restart_count >= most:
                self._drop_progress()
                raise error(
                    f"{self._name}: the server gave {why}, after {progress.restart_count + 1} readings. {advice}"
                )
            progress = self._begin(progress.since, progress.restart_count + 1)
            is_resumed = False

    def _one_page(self, progress: Progress) -> Progress:
        assert progress.place is not None
        fetched = self._export.fetch(progress.place, progress.since, self._temporary)
        if progress.page_count == 0 and self._is_behind(fetched, progress):
            self._notes.append(
                "the server's clock stands before the last pull: everything is asked for, not only changes"
            )
            return self._begin(None, progress.restart_count)
        if fetched.clock is None and self._export.overlap is not None and not self._export.is_timed_by_records:
            raise UnreadableError(
                f"{self._name}: the server does not say what time it is (header Date), so the next pull would not know from when to ask. "
                "Name `field` under `incremental` in the source's YAML."
            )
        self._notes += fetched.notes
        self._check_way(fetched)
        if fetched.record_count:
            self._land(fetched)
        if self._marks is not None and fetched.marks is not None:
            self._marks.extend(fetched.marks)
        progress = replace(
            progress,
            place=fetched.next,
            page_count=progress.page_count + 1,
            record_count=progress.record_count + fetched.record_count,
            clock=progress.clock if progress.page_count else fetched.clock,
            latest=max(filter(None, (progress.latest, fetched.latest)), default=None),
            total=progress.total if fetched.total is None else fetched.total,
        )
        self._state = replace(self._state, progress=progress)
        states.save(self._kept, self._state)
        if self._told is not None:
            self._told(self._name, progress.page_count, progress.record_count)
        return progress

    def _is_behind(self, fetched: Fetched, progress: Progress) -> bool:
        return fetched.clock is not None and progress.since is not None and fetched.clock < progress.since

    def _land(self, fetched: Fetched) -> None:
        """Give the response its name in landing, by what it is, so that the same one has the same name."""
        import hashlib

        with self._temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        put(self._temporary, self._landing / self._source.pulled_name(self._name, fetched.exported_at, digest))

    def _check_way(self, fetched: Fetched) -> None:
        """Raises UnreadableError if the server goes in circles."""
        self._empty_count = 0 if fetched.record_count else self._empty_count + 1
        self._signatures.update([fetched.signature] if fetched.record_count else ())
        way = json.dumps(fetched.next, sort_keys=True)
        is_circle = fetched.next is not None and way in self._been
        if is_circle or self._signatures[fetched.signature] >= _MOST_SAME or self._empty_count >= _MOST_EMPTY:
            self._drop_progress()
            raise UnreadableError(
                f"{self._name}: the server goes in circles: it names a page that was read already, or gives the same records again and again. "
                "What has landed stays; check `paging` in the source's YAML, then run the command again."
            )
        self._been.add(way)

    def _missing(self, progress: Progress) -> int:
        """How many records fewer were read than the server says there are."""
        total = self._export.total(progress.since, progress.total, self._temporary)
        if total is None:
            return 0
        count = progress.record_count
        if self._marks is not None:
            import numpy as np

            count = int(np.unique(np.frombuffer(self._marks, dtype=np.uint64)).size)
        if count > total:
            self._notes.append(f"{count:,} different records, where the server's total is {total:,}")
        return max(0, total - count)

    def _next_since(self, progress: Progress) -> datetime | None:
        """From when the next pull asks for changes. Never later than the server's clock: what a record states may be wrong."""
        overlap = self._export.overlap
        if overlap is None:
            return None
        if not self._export.is_timed_by_records:
            return _before(progress.clock, overlap) if progress.clock else progress.since
        if progress.latest is None:
            return progress.since
        return _before(min(progress.latest, progress.clock or self._now), overlap)

    def _drop_progress(self) -> None:
        self._state = replace(self._state, progress=None)
        states.save(self._kept, self._state)


def _before(at: datetime, overlap: timedelta) -> datetime | None:
    """So much earlier; None, which asks for everything, if no date can hold that."""
    try:
        return at - overlap
    except OverflowError:
        return None


def failed(name: str, error: PipelineError) -> ListOutcome:
    """The outcome of a list that was not read to its end."""
    return ListOutcome(name, is_complete=False, exit_code=error.exit_code, message=str(error))
