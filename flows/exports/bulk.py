"""FHIR Bulk Data: ask for an export, wait until the server has made it, fetch its files one by one."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from flows.errors import TransientError, UnreadableError
from flows.exports.bodies import Body, parsed_document, value_at
from flows.exports.client import Client, RejectedError
from flows.exports.export import Fetched, Place
from flows.exports.messages import Answer, Request
from flows.exports.patience import DamagedBodyError, http_date, seconds_asked_for, to_the_second
from schemas.apis import BulkApi
from schemas.sources import Source

_MOST_MANIFEST_BYTES = 64 << 20
# Without a word of the server's about it: at first it is asked after a second, at last once a minute.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_KINDS = ("output", "deleted", "error")
_SEVERITIES = ("fatal", "error", "warning", "information")


@dataclass(frozen=True)
class _File:
    """A file of an export. `kind`: resources, Bundles that say which are deleted, or outcomes of what failed."""

    kind: str
    address: str
    count: int | None


@dataclass(frozen=True)
class _Manifest:
    """What a finished export has, as of the instant of which it holds."""

    at: datetime
    needs_token: bool
    files: tuple[_File, ...]


class BulkExport:
    """The export of one server. A place of it is the address of the server's job, and the number of one of its files."""

    # What the server states for the export counts, as a record's own time would: it may be earlier than its clock.
    is_timed_by_records = True

    def __init__(self, source: Source, api: BulkApi, client: Client) -> None:
        self._source, self._api, self._client = source, api, client
        self.overlap: timedelta | None = api.incremental.overlap if api.incremental else None
        listed = [api.address, api.export, api.types, api.parameters, api.incremental is not None]
        self.list_mark = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
        self.place_mark = self.list_mark
        self._manifest: _Manifest | None = None

    def first(self) -> Place:
        return {}

    def fetch(self, place: Place, since: datetime | None, into: Path) -> Fetched:
        """Begin the export, or wait until it is finished, or fetch one of its files.

        Raises RejectedError if the server has given the export up, or does not know it any more.
        """
        if "status" not in place:
            self._manifest = None
            return self._begun(since, into)
        if self._manifest is None:
            self._manifest = self._finished(place["status"], into)
        manifest = self._manifest
        if place.get("at", manifest.at.isoformat()) != manifest.at.isoformat():
            raise RejectedError(f"{self._api.export}: {self._client.server} has exported anew meanwhile.")
        number = place.get("file")
        if number is None:
            return Fetched(0, self._next(place, 0), latest=manifest.at)
        return self._fetched(manifest, manifest.files[number], self._next(place, number + 1), into)

    def total(self, since: datetime | None, stated: int | None, into: Path) -> int | None:  # noqa: ARG002  of the protocol
        """None: each file has a count of its own."""
        return None

    def _next(self, place: Place, number: int) -> Place | None:
        assert self._manifest is not None
        if number >= len(self._manifest.files):
            return None
        return {"status": place["status"], "at": self._manifest.at.isoformat(), "file": number}

    def _begun(self, since: datetime | None, into: Path) -> Fetched:
        parameters = {"_outputFormat": "application/fhir+ndjson", **self._api.parameters}
        if self._api.types:
            parameters["_type"] = ",".join(self._api.types)
        if since is not None:
            parameters["_since"] = to_the_second(since)
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}

        def read(answer: Answer, _: Path) -> Fetched:
            link = answer.headers.get("content-location")
            if not link:
                raise UnreadableError(
                    f"{self._api.export}: {self._client.server} begins an export and does not say where to ask for it (header Content-Location)."
                )
            address = _joined(answer.address, link)
            # Before it is kept: whoever reads the answer there is shown the token.
            self._client.expect_ours(self._api.export, address)
            return Fetched(0, {"status": address}, clock=answer.at)

        request = Request(self._api.address + self._api.export, parameters, headers, statuses=frozenset({202}))
        return self._client.download(self._api.export, request, into, read, _MOST_MANIFEST_BYTES)

    def _finished(self, address: str, into: Path) -> _Manifest:
        """The manifest, once the server has it. Asked no sooner than the server says."""
        what, waited, pause, failures = f"{self._api.export}, its progress", 0.0, _FIRST_PAUSE, 0
        longest = self._api.retries.longest_seconds

        def read(answer: Answer, path: Path) -> tuple[Answer, _Manifest | None]:
            return answer, self._read_manifest(answer, path) if answer.status == 200 else None

        while True:
            request = Request(address, headers={"Accept": "application/json"}, statuses=frozenset({200, 202, 500}))
            answer, manifest = self._client.download(what, request, into, read, _MOST_MANIFEST_BYTES)
            if manifest is not None:
                return manifest
            # By the standard 500 says that the export has failed; a server that stumbles says so too.
            failures = failures + 1 if answer.status == 500 else 0
            if failures >= self._api.retries.attempts:
                raise RejectedError(
                    f"{self._api.export}: {self._client.server} has given the export up (500). Run the command again: it asks for a new one."
                )
            asked = seconds_asked_for(answer.headers)
            wait = self._api.retries.first_seconds if failures else pause if asked is None else asked
            if wait > longest or waited + wait > self._api.patience.total_seconds():
                raise TransientError(
                    f"{self._api.export}: {self._client.server} is still at work on the export. Run the command again later: it goes on where it stopped."
                )
            self._client.pause(wait)
            waited, pause = waited + wait, min(pause * 2, _LONGEST_PAUSE)

    def _read_manifest(self, answer: Answer, path: Path) -> _Manifest:
        found = parsed_document(path)
        stated = value_at(found, ("transactionTime",))
        at = http_date(stated) if isinstance(stated, str) else None
        lists = {kind: value_at(found, (kind,)) for kind in _KINDS}
        are_lists = all(isinstance(entries, list) for entries in lists.values() if entries is not None)
        listed = [(kind, entry) for kind in _KINDS if are_lists for entry in lists[kind] or ()]
        files = [
            _File(kind, _joined(answer.address, entry["url"]), _count(entry))
            for kind, entry in listed
            if isinstance(entry, dict) and isinstance(entry.get("url"), str)
        ]
        if at is None or not are_lists or lists["output"] is None or len(files) < len(listed):
            raise UnreadableError(
                f"{self._api.export}: {self._client.server} answers with what is no manifest of an export. Nothing of it is taken."
            )
        return _Manifest(at, found.get("requiresAccessToken") is not False, tuple(files))

    def _fetched(self, manifest: _Manifest, file: _File, following: Place | None, into: Path) -> Fetched:
        what = f"{self._api.export}, a file of kind {file.kind}"
        outcomes: Counter[str] = Counter()

        def read(answer: Answer, path: Path) -> int:
            if answer.status == 204:
                return 0
            count = 0
            outcomes.clear()
            for record in Body(path, self._source).records():
                count += 1
                if file.kind == "error":
                    outcomes.update(_severities(record))
            if file.count is not None and count < file.count:
                raise DamagedBodyError(f"sends {count:,} lines where its manifest says {file.count:,}")
            if file.count is None and not answer.is_framed:
                raise UnreadableError(
                    f"{what}: the server says neither how many lines it has nor how long it is, so a part could not be told from the whole."
                )
            return count

        request = Request(file.address, headers={"Accept": "application/fhir+ndjson"}, is_open=not manifest.needs_token)
        count = self._client.download(what, request, into, read)
        if file.kind != "error":
            return Fetched(count, following, latest=manifest.at, exported_at=manifest.at, signature=file.address)
        said = ", ".join(f"{outcomes[name]:,} {name}" for name in _SEVERITIES if outcomes[name])
        note = f"the server could not export everything: it reports {said}" if said else "the server reports errors"
        return Fetched(0, following, latest=manifest.at, notes=(note,) if count else ())


def _joined(base: str, link: str) -> str:
    try:
        return urljoin(base, link)
    except ValueError:
        # Whoever asks there is told that it is no address.
        return link


def _count(entry: dict[str, Any]) -> int | None:
    count = entry.get("count")
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _severities(outcome: Any) -> list[str]:
    """How severe each issue of an OperationOutcome is; none of its words."""
    issues = value_at(outcome, ("issue",), [])
    found = [value_at(issue, ("severity",)) for issue in issues] if isinstance(issues, list) else []
    return [severity for severity in found if severity in _SEVERITIES]
