"""REST: lists of JSON objects, read page by page as the source's YAML says."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

from flows.errors import UnreadableError
from flows.exports.bodies import MOST_DOCUMENT_BYTES, Body, NoRecordsError, mark_of, parsed_document, value_at
from flows.exports.client import Client, NotThereError
from flows.exports.export import Fetched, Place
from flows.exports.messages import Answer, Request
from flows.exports.paging import paging_of
from flows.exports.patience import http_date, to_the_second
from schemas.apis import ApiPath, Incremental, RestApi, Stated, steps_of
from schemas.sources import Source

_MOST_TOTAL_BYTES = 1 << 20


@dataclass(frozen=True)
class _Page:
    """A response with its records, as the ways of paging see it."""

    answer: Answer
    body: Body
    count: int
    first: Any
    last: Any
    latest: datetime | None
    marks: array[int] | None

    @property
    def document(self) -> Any:
        return self.body.document

    @property
    def link(self) -> str | None:
        for link in self.answer.links:
            if "next" in link.get("rel", "").lower().split():
                return self.joined(link["url"])
        return None

    def header(self, name: str) -> str | None:
        found: str | None = self.answer.headers.get(name)
        return found

    def joined(self, link: str) -> str:
        try:
            return urljoin(self.answer.address, link)
        except ValueError:
            # Whoever asks there is told that it is no address.
            return link

    def records(self) -> Iterator[Any]:
        return self.body.records()


class RestExport:
    """One path of a REST API."""

    def __init__(self, source: Source, api: RestApi, path: ApiPath, client: Client) -> None:
        self._source, self._api, self._path, self._client = source, api, path, client
        self._paging = paging_of(api)
        self._total = path.total or api.total
        self.overlap: timedelta | None = api.incremental.overlap if api.incremental else None
        self.is_timed_by_records = bool(api.incremental and api.incremental.field)
        listed = [api.address, path.path, api.parameters, path.parameters, _dumped(api.incremental)]
        self.list_mark = _mark(listed)
        self.place_mark = _mark([*listed, _dumped(api.paging), _dumped(api.page_size), source.records])

    def first(self) -> Place:
        return self._paging.first()

    def fetch(self, place: Place, since: datetime | None, into: Path) -> Fetched:
        reader = _Reader(self._source, self._api, self._path, self._client, since, into, has_marks=bool(self._total))
        step = self._paging.step(place, reader)
        if step.next is not None and "link" in step.next:
            # Before anything lands: the page is asked for again when the server points the right way.
            self._client.expect_ours(self._path.path, step.next["link"])
        page = step.page
        if page is None:
            return Fetched(0, step.next, clock=reader.clock)
        assert isinstance(page, _Page)
        return Fetched(
            record_count=step.new_count,
            next=step.next,
            clock=reader.clock,
            latest=page.latest,
            exported_at=self._exported_at(page.answer),
            total=self._number(self._total, page.answer, page.document)
            if self._total and not self._total.path
            else None,
            marks=page.marks,
            signature=f"{page.count} {mark_of(page.first)} {mark_of(page.last)}",
        )

    def total(self, since: datetime | None, stated: int | None, into: Path) -> int | None:
        where = self._total
        if where is None or where.path is None:
            return stated

        def read(answer: Answer, path: Path) -> int | None:
            return self._number(where, answer, parsed_document(path) if where.at else None)

        request = Request(self._api.address + where.path, _parameters(self._api, self._path, since))
        return self._client.download(f"{self._path.path}, its total", request, into, read, _MOST_TOTAL_BYTES)

    def _number(self, where: Stated, answer: Answer, document: Any) -> int:
        text = _stated(where, answer, document)
        try:
            if isinstance(text, bool):
                raise TypeError
            return int(text)
        except (ValueError, TypeError, OverflowError):
            raise UnreadableError(
                f"{self._path.path}: no number stands at {where.at or where.header}, where the source's YAML says that the total does."
            ) from None

    def _exported_at(self, answer: Answer) -> datetime | None:
        name = self._source.exported_at.response
        text = answer.headers.get(name) if name else None
        if not text:
            return None
        try:
            at = http_date(text) or datetime.fromisoformat(text.strip())
            return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(self._source.time_zone))).astimezone(UTC)
        except (ValueError, OverflowError):
            raise UnreadableError(
                f"{self._path.path}: the header {name} states no time. Check `exported_at` in the source's YAML."
            ) from None


class _Reader:
    """Reads pages of the list into one file."""

    def __init__(
        self,
        source: Source,
        api: RestApi,
        path: ApiPath,
        client: Client,
        since: datetime | None,
        into: Path,
        *,
        has_marks: bool,
    ) -> None:
        self._source, self._api, self._client, self._into, self._has_marks = source, api, client, into, has_marks
        self._address = api.address + path.path
        self._parameters = _parameters(api, path, since)
        if api.page_size:
            self._parameters[api.page_size.parameter] = str(api.page_size.records)
        self.what = path.path
        # Of the answer that came first.
        self.clock: datetime | None = None

    def page(self, parameters: dict[str, str], *, may_be_missing: bool = False) -> _Page | None:
        try:
            return self._page(Request(self._address, {**self._parameters, **parameters}))
        except NotThereError:
            if may_be_missing:
                return None
            raise

    def linked(self, address: str) -> _Page:
        page = self._page(Request(address))
        if page is None:
            raise UnreadableError(f"{self.what}: a page in the middle of the list has no body (204). Nothing is lost.")
        return page

    def single(self, parameters: dict[str, str]) -> list[Any]:
        into = self._into.with_name(f"{self._into.name}.single.tmp")

        def read(answer: Answer, path: Path) -> list[Any]:
            return [] if answer.status == 204 else list(self._records(self._body(path)))

        try:
            request = Request(self._address, {**self._parameters, **parameters})
            return self._client.download(f"{self.what}, one record", request, into, read, MOST_DOCUMENT_BYTES)
        except NotThereError:
            return []
        finally:
            into.unlink(missing_ok=True)

    def _page(self, request: Request) -> _Page | None:
        most = MOST_DOCUMENT_BYTES if self._source.format == "json" else None
        return self._client.download(self.what, request, self._into, self._read, most)

    def _read(self, answer: Answer, path: Path) -> _Page | None:
        if self.clock is None:
            self.clock = answer.at
        if answer.status == 204:
            return None
        if self._source.format == "ndjson" and not answer.is_framed and not self._has_marks:
            raise UnreadableError(
                f"{self.what}: the server does not say how long its body is, so one that was cut off could not be told from a whole one. "
                "Name a `total` in the source's YAML."
            )
        body = self._body(path)
        self._check_version(answer, body)
        return self._surveyed(answer, body)

    def _body(self, path: Path) -> Body:
        return Body(path, self._source, is_bundle=self._api.paging.kind == "bundle")

    def _surveyed(self, answer: Answer, body: Body) -> _Page:
        changes = self._api.incremental
        steps = steps_of(changes.field) if changes and changes.field else None
        marks = array("Q") if self._has_marks else None
        count, first, last, latest = 0, None, None, None
        for count, (last, is_wanted) in enumerate(zip(self._records(body), body.is_wanted(), strict=True), start=1):
            if count == 1:
                first = last
            if marks is not None and is_wanted:
                marks.append(mark_of(last))
            if steps is not None and changes is not None:
                at = _instant(value_at(last, steps), changes, self._source.time_zone)
                latest = max(filter(None, (latest, at)), default=None)
        return _Page(answer, body, count, first, last, latest, marks)

    def _records(self, body: Body) -> Iterator[Any]:
        try:
            yield from body.records()
        except NoRecordsError:
            raise UnreadableError(
                f"{self.what}: a page has nothing at {self._source.records or '$[*]'}, where source '{self._source.name}' says that its records stand. "
                "Nothing of it is taken; mend the YAML, or the server."
            ) from None

    def _check_version(self, answer: Answer, body: Body) -> None:
        version = self._api.version
        if version is None:
            return
        stated = _stated(version, answer, body.document)
        text = str(stated) if isinstance(stated, (str, int, float)) else None
        if text not in version.accepted:
            raise UnreadableError(
                f"{self.what}: the page is not of version {' or '.join(version.accepted)} of the format. Nothing of it is taken: look at what "
                "changed, mend the source's YAML and SELECTs, then run the command again; it goes on where it stopped."
            )


def _parameters(api: RestApi, path: ApiPath, since: datetime | None) -> dict[str, str]:
    found = {**api.parameters, **path.parameters}
    if api.incremental is not None and since is not None:
        found[api.incremental.parameter] = api.incremental.prefix + _sent(since, api.incremental)
    return found


def _stated(where: Stated, answer: Answer, document: Any) -> Any:
    return answer.headers.get(where.header) if where.header else value_at(document, steps_of(where.at or ""))


def _sent(since: datetime, changes: Incremental) -> str:
    """The instant as the server wants it. What is cut off of it makes it earlier, so that nothing is missed."""
    at = since.astimezone(UTC)
    match changes.format:
        case "date":
            return at.date().isoformat()
        case "epoch_seconds":
            return str(int(at.timestamp()))
        case "epoch_milliseconds":
            return str(int(at.timestamp()) * 1000)
        case _:
            return to_the_second(at)


def _instant(value: Any, changes: Incremental, time_zone: str) -> datetime | None:
    """When a record says that it changed; None where it says nothing that can be read."""
    try:
        if changes.format.startswith("epoch"):
            unit = 1000.0 if changes.format == "epoch_milliseconds" else 1.0
            return None if isinstance(value, bool) else datetime.fromtimestamp(float(value) / unit, UTC)
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(time_zone))).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _dumped(part: Any) -> Any:
    return None if part is None else part.model_dump(mode="json")


def _mark(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
