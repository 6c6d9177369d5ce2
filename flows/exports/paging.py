"""The ways in which a REST API says what the next page is, one class each. They read pages through a `Reader`, and know no HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from flows.errors import UnreadableError
from flows.exports.bodies import has, mark_of, value_at
from flows.exports.export import Place, ShiftedError
from schemas.apis import (
    BundleLink,
    Cursor,
    End,
    LinkHeader,
    NextLink,
    Offset,
    PageNumber,
    PageSize,
    RestApi,
    Single,
    steps_of,
)

_SEAMS = "If the same record reads otherwise each time, say `check_seams: false` under `paging`."


class Page(Protocol):
    """A page that was read."""

    @property
    def count(self) -> int: ...
    @property
    def first(self) -> Any: ...
    @property
    def last(self) -> Any: ...
    @property
    def document(self) -> Any:
        """The body, where it is one document."""

    @property
    def link(self) -> str | None:
        """The address of the next page, where a header names it."""

    def header(self, name: str) -> str | None: ...
    def joined(self, link: str) -> str:
        """A link of the body as a whole address."""

    def records(self) -> Iterator[Any]: ...


class Reader(Protocol):
    """Reads pages of one list."""

    what: str

    def page(self, parameters: dict[str, str], *, may_be_missing: bool = False) -> Page | None:
        """The page with these parameters; None if the server has no such page and that may be."""

    def linked(self, address: str) -> Page: ...
    def single(self, parameters: dict[str, str]) -> list[Any]:
        """The records of a page of one, which does not land."""


@dataclass(frozen=True)
class Step:
    """A page, how many of its records were not asked for before, and where to go on."""

    page: Page | None
    new_count: int
    next: Place | None


class Paging(Protocol):
    def first(self) -> Place: ...
    def step(self, place: Place, reader: Reader) -> Step:
        """Read the page at a place. Raises ShiftedError if records may have been skipped before it."""


class Once:
    """One response has everything."""

    def first(self) -> Place:
        return {}

    def step(self, _: Place, reader: Reader) -> Step:
        page = reader.page({})
        return Step(page, page.count if page else 0, None)


class ByHeader(Once):
    """The header `Link` names the next page."""

    def step(self, place: Place, reader: Reader) -> Step:
        page = reader.linked(place["link"]) if "link" in place else reader.page({})
        link = page.link if page else None
        return Step(page, page.count if page else 0, {"link": link} if link else None)


class ByLink(Once):
    """The body names the next page."""

    def __init__(self, said: NextLink) -> None:
        self._said, self._steps = said, steps_of(said.at)

    def step(self, place: Place, reader: Reader) -> Step:
        page = reader.linked(place["link"]) if "link" in place else reader.page({})
        if page is None or page.document is None:
            return Step(page, 0, None)
        if not has(page.document, self._steps) and not self._said.may_be_absent:
            raise _lacks(reader, self._said.at)
        link = value_at(page.document, self._steps)
        if link is not None and not isinstance(link, str):
            raise UnreadableError(f"{reader.what}: {self._said.at} is no link. Check `paging` in the source's YAML.")
        return Step(page, page.count, {"link": page.joined(link)} if link else None)


class ByBundle(Once):
    """A link of the FHIR Bundle names the next page."""

    def step(self, place: Place, reader: Reader) -> Step:
        page = reader.linked(place["link"]) if "link" in place else reader.page({})
        links = value_at(page.document, ("link",), []) if page else []
        if not isinstance(links, list):
            raise UnreadableError(f"{reader.what}: the links of the Bundle are no list. Nothing of it is taken.")
        found = [value_at(link, ("url",)) for link in links if value_at(link, ("relation",)) == "next"]
        if found and not isinstance(found[0], str):
            raise UnreadableError(f"{reader.what}: the Bundle's way to the next page is no link. Nothing is lost.")
        link = found[0] if found else None
        return Step(page, page.count if page else 0, {"link": page.joined(link)} if page and link else None)


class ByCursor(Once):
    """A mark that is sent back."""

    def __init__(self, said: Cursor) -> None:
        self._said = said

    def step(self, place: Place, reader: Reader) -> Step:
        page = reader.page({self._said.parameter: place["cursor"]} if "cursor" in place else {})
        if page is None and "cursor" in place and self._said.last_record is None:
            raise UnreadableError(
                f"{reader.what}: a page in the middle of the list has no body (204). Nothing is lost."
            )
        cursor = self._cursor(page, reader) if page else None
        return Step(page, page.count if page else 0, None if cursor is None else {"cursor": cursor})

    def _cursor(self, page: Page, reader: Reader) -> str | None:
        said, more = self._said, None
        if said.more is not None:
            if not has(page.document, steps_of(said.more)) and not said.may_be_absent:
                raise _lacks(reader, said.more)
            more = value_at(page.document, steps_of(said.more))
            if more is False:
                return None
        if said.last_record is not None:
            if page.count == 0:
                return None
            _expect_distinct(page, said.last_record, reader)
            cursor = value_at(page.last, steps_of(said.last_record))
            if cursor is None:
                raise _lacks(reader, said.last_record)
        elif said.header is not None:
            cursor = page.header(said.header)
        else:
            if not has(page.document, steps_of(said.at or "")) and not said.may_be_absent:
                raise _lacks(reader, said.at or "")
            cursor = value_at(page.document, steps_of(said.at or ""))
        if cursor in (None, ""):
            if more is True:
                raise UnreadableError(
                    f"{reader.what}: a page says that there are more, and not where. Nothing is lost."
                )
            return None
        if not _can_be_sent(cursor):
            raise UnreadableError(f"{reader.what}: the cursor is no text. Check `paging` in the source's YAML.")
        return str(cursor)


class ByOffset:
    """Pages begin at a number of records, each with the last record of the one before: it is there if nothing has shifted."""

    def __init__(self, said: Offset, size: PageSize | None) -> None:
        self._said, self._size = said, size

    def first(self) -> Place:
        return {"offset": 0}

    def step(self, place: Place, reader: Reader) -> Step:
        seam = place.get("seam")
        begin = place["offset"] - (seam is not None)
        may_be_missing = self._said.end == "not_found" and begin > 0
        page = reader.page({self._said.parameter: str(begin)}, may_be_missing=may_be_missing)
        count = page.count if page else 0
        new_count = count
        if seam is not None:
            if page is None or count == 0 or not _begins_within(page, seam):
                raise ShiftedError(_SEAMS)
            new_count -= 1
        is_last = page is None or new_count == 0 or _is_short(self._said.end, count, self._size)
        if page is None or is_last:
            return Step(page, new_count, None)
        following: Place = {"offset": begin + count}
        # A server that gives single records gives no page that overlaps another and goes on.
        if self._said.check_seams and count > 1:
            following["seam"] = mark_of(page.last)
        return Step(page, new_count, following)


class ByNumber:
    """Numbered pages; the last record of each is asked for once more when the next one was read, and at the end what stands behind it."""

    def __init__(self, said: PageNumber, size: PageSize | None) -> None:
        self._said, self._size = said, size

    def first(self) -> Place:
        return {"page": self._said.first}

    def step(self, place: Place, reader: Reader) -> Step:
        number = place["page"]
        may_be_missing = self._said.end == "not_found" and number > self._said.first
        page = reader.page({self._said.parameter: str(number)}, may_be_missing=may_be_missing)
        count = page.count if page else 0
        if "seam" in place:
            self._check_seam(place, page, reader)
        if page is None or count == 0 or _is_short(self._said.end, count, self._size):
            return Step(page, count, None)
        following: Place = {"page": number + 1}
        if self._said.check_seams:
            size = place.get("size", count)
            position = (number - self._said.first) * size + count - 1
            following |= {"seam": mark_of(page.last), "position": position, "size": size}
        return Step(page, count, following)

    def _check_seam(self, place: Place, page: Page | None, reader: Reader) -> None:
        assert self._size is not None
        alone = {self._said.parameter: str(self._said.first + place["position"]), self._size.parameter: "1"}
        found = reader.single(alone)
        if len(found) > 1:
            raise UnreadableError(
                f"{reader.what}: the server gives no page of one record, by which shifts of its pages would be noticed. Say `check_seams: false` "
                "under `paging` if records never move, or page by a cursor."
            )
        if found and mark_of(found[0]) == place["seam"]:
            behind = {**alone, self._said.parameter: str(self._said.first + place["position"] + 1)}
            if (page is None or page.count == 0) and reader.single(behind):
                # An empty page that is not the end.
                raise ShiftedError(_SEAMS)
            return
        # What was inserted before it has pushed the record into this page: then none was skipped.
        if page is None or place["seam"] not in map(mark_of, page.records()):
            raise ShiftedError(_SEAMS)


def paging_of(api: RestApi) -> Paging:
    match api.paging:
        case Single():
            return Once()
        case LinkHeader():
            return ByHeader()
        case NextLink() as said:
            return ByLink(said)
        case BundleLink():
            return ByBundle()
        case Cursor() as said:
            return ByCursor(said)
        case Offset() as said:
            return ByOffset(said, api.page_size)
        case PageNumber() as said:
            return ByNumber(said, api.page_size)


def _begins_within(page: Page, seam: int) -> bool:
    """Whether a record of the page is the one that the page before ended with: at its beginning, or pushed further into it."""
    return mark_of(page.first) == seam or seam in map(mark_of, page.records())


def _can_be_sent(mark: Any) -> bool:
    """Whether a request can carry it: JSON can write a number without end, and half of a sign."""
    try:
        str(mark).encode()
    except UnicodeEncodeError:
        return False
    is_number = isinstance(mark, (int, float)) and not isinstance(mark, bool) and math.isfinite(mark)
    return is_number or isinstance(mark, str)


def _expect_distinct(page: Page, path: str, reader: Reader) -> None:
    """Raises UnreadableError if two records of a page give the same mark: between two pages the second would be skipped."""
    before: Any = object()
    for record in page.records():
        mark = value_at(record, steps_of(path))
        if mark == before:
            raise UnreadableError(
                f"{reader.what}: records that follow each other have the same {path}, by which the next page is asked for, so that one of them "
                "could be skipped between two pages. Name what no two records share as `last_record`, such as their id."
            )
        before = mark


def _is_short(end: End, count: int, size: PageSize | None) -> bool:
    return end == "short" and size is not None and count < size.records


def _lacks(reader: Reader, path: str) -> UnreadableError:
    return UnreadableError(
        f"{reader.what}: a page has nothing at {path}, so the way to the next one is not known. The format may have changed; if the last page "
        "leaves it out, say `may_be_absent: true` under `paging`."
    )
