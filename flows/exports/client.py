"""Requests that may fail: asked again while that can help, never answered by anybody but the server the source names.

What is said of a failure names the server and the place in the source's YAML, never an address with its parameters: those may
hold a mark of the last record, and what a server sends may hold anything.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import httpx

from flows.errors import PipelineError, UnreadableError
from flows.exports.credentials import credentials_of
from flows.exports.files import whole_file
from flows.exports.messages import Answer, Request
from flows.exports.patience import AgainError, DamagedBodyError, Patience, seconds_asked_for
from flows.exports.streams import getting_on, is_page, unpacked
from schemas.apis import Authentication, FormKey, Retries, is_private

Found = TypeVar("Found")

# They write the whole address of every request into the log, and with it marks of records; at their most talkative, headers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# After them the same form is posted to the new address; after the others browsers would ask without it.
_REPEATING = frozenset({307, 308})
_MOST_REDIRECTS = 5
_CONNECT_SECONDS = 20.0
# An answer that is read as a whole, such as a token's.
_MOST_SMALL_BYTES = 1 << 20
# As often the free disk is looked at within a body.
_CHECKED_BYTES = 16 << 20


class Connection(Protocol):
    """What a client must be told, whichever protocol it serves; part of every kind of `api`."""

    @property
    def address(self) -> str: ...
    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def authentication(self) -> Authentication | FormKey | None: ...
    @property
    def allow_plain_http(self) -> bool: ...
    @property
    def requests_per_minute(self) -> float | None: ...
    @property
    def timeout_seconds(self) -> float: ...
    @property
    def retries(self) -> Retries: ...


class Client:
    """Asks one server. `wait` waits for some seconds; `free_bytes` says how many more a file may get."""

    def __init__(
        self,
        connection: Connection,
        wait: Callable[[float], None] = time.sleep,
        free_bytes: Callable[[], int] = lambda: 1 << 62,
    ) -> None:
        self._connection, self._wait, self._free_bytes = connection, wait, free_bytes
        self._base = httpx.URL(connection.address)
        self.server = self._base.netloc.decode("ascii")
        self._patience = Patience(self.server, connection.retries, wait)
        self._credentials = credentials_of(connection.authentication, self._post)
        self._asked_at: float | None = None
        self._http = self._opened(connection.headers)
        # Asks what anybody may: it has nothing that says who asks, and takes no cookies from one server to another.
        self._stranger = self._opened({})

    def _opened(self, headers: Mapping[str, str]) -> httpx.Client:
        return httpx.Client(
            timeout=httpx.Timeout(self._connection.timeout_seconds, connect=_CONNECT_SECONDS),
            headers={"Accept-Encoding": "gzip", **headers},
            follow_redirects=False,
            # What is on this machine is never asked for by way of a proxy.
            mounts=dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]")),
        )

    def pause(self, seconds: float) -> None:
        """Leave the server alone for some time."""
        self._wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()
        self._stranger.close()

    def download(
        self,
        what: str,
        request: Request,
        into: Path,
        read: Callable[[Answer, Path], Found],
        most_bytes: int | None = None,
    ) -> Found:
        """Ask for something, write its body to a file that is then on the disk, and read it there; what `read` makes of it.

        `what` names it in messages. Of another answer than a success that may come, nothing is written. Where `read` raises DamagedBodyError the body is asked for again, as it may have been cut.
        Raises TransientError if the server cannot be reached or goes on being busy, UnreadableError if it answers what
        cannot be used: no success, a way to another server, a page for people, more than `most_bytes`.
        """
        self._expect_allowed(what, request.address, is_open=request.is_open)
        url = httpx.URL(request.address)
        self._expect_sendable(what, request)
        if request.parameters:
            url = url.copy_merge_params(dict(request.parameters))
        is_renewed = False

        def once() -> Found:
            nonlocal is_renewed
            for _ in range(2):
                with self._asked(what, url, request) as response:
                    is_refused = response.status_code == 401 and not request.is_open
                    if is_refused and not is_renewed and self._credentials.renew():
                        is_renewed = True
                        continue
                    self._expect_success(what, response, request.statuses)
                    answer = Answer(
                        response.status_code,
                        str(response.url),
                        response.headers,
                        "content-length" in response.headers
                        or "chunked" in response.headers.get("transfer-encoding", ""),
                    )
                    if response.status_code in (200, 204):
                        self._write(what, response, into, most_bytes)
                    return read(answer, into)
            raise AssertionError  # the second time round nothing is renewed

        return self._patience(what, once)

    def expect_ours(self, what: str, address: str) -> None:
        """Raises UnreadableError if an address is not of the server that the source names: that one alone is shown who asks."""
        url = self._parsed(what, address)
        if _origin(url) != _origin(self._base):
            raise UnreadableError(
                f"{what}: {self.server} points to another server, {url.netloc.decode('ascii', 'replace')}, which is not asked: it would be shown "
                "who asks. Name the right server as `address` in the source's YAML."
            )

    def _expect_sendable(self, what: str, request: Request) -> None:
        """Raises UnreadableError if a mark or an id that the server gave cannot be sent back: JSON can write half of a sign."""
        try:
            "".join([*request.parameters.values(), *(request.form or {}).values()]).encode()
        except UnicodeEncodeError:
            raise UnreadableError(
                f"{what}: {self.server} gives a mark or an id that no request can carry, as it holds half of a sign. Nothing of it is taken."
            ) from None

    def _parsed(self, what: str, address: str) -> httpx.URL:
        try:
            return httpx.URL(address)
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise UnreadableError(f"{what}: {self.server} points to what is no address.") from None

    def _expect_allowed(self, what: str, address: str, *, is_open: bool) -> None:
        if not is_open:
            self.expect_ours(what, address)
            return
        url = self._parsed(what, address)
        if url.scheme not in ("http", "https"):
            raise UnreadableError(f"{what}: {self.server} points to what is no address.")
        if not self._connection.allow_plain_http and not is_private(address):
            raise UnreadableError(
                f"{what}: {self.server} points to an address without encryption, which would show records to everybody on the way. Nothing is asked there."
            )

    @contextmanager
    def _asked(self, what: str, url: httpx.URL, request: Request) -> Iterator[httpx.Response]:
        """The answer, after redirects within the server. A form is posted anew only where the server says that it may be."""
        http = self._stranger if request.is_open else self._http
        headers = {**request.headers, **({} if request.is_open else self._credentials.headers())}
        form = request.form
        method, posted = ("GET", None) if form is None else ("POST", {**form, **self._credentials.form()})
        for _ in range(_MOST_REDIRECTS):
            self._expect_allowed(what, str(url), is_open=request.is_open)
            self._pace()
            with http.stream(method, url, headers=headers, data=posted) as response:
                if response.status_code not in _REDIRECTS or "location" not in response.headers:
                    yield response
                    return
                if form is not None and response.status_code not in _REPEATING:
                    raise UnreadableError(
                        f"{what}: {self.server} points elsewhere ({response.status_code}) in a way that loses what was asked. Name the address that it points to as "
                        "`address` in the source's YAML."
                    )
                try:
                    url = url.join(response.headers["location"])
                except httpx.InvalidURL:
                    raise UnreadableError(f"{what}: {self.server} points to what is no address.") from None
        raise UnreadableError(f"{what}: {self.server} points from one address to the next without end.")

    def _expect_success(self, what: str, response: httpx.Response, statuses: frozenset[int]) -> None:
        status = response.status_code
        if status in statuses:
            return
        if status in _BUSY:
            raise AgainError(f"answers {status}", seconds_asked_for(response.headers))
        if status in (401, 403):
            raise UnreadableError(
                f"{what}: {self.server} refuses the credentials ({status}). Check `authentication` in the source's YAML and the variable that it names."
            )
        if status == 404:
            raise NotThereError(f"{what}: {self.server} has no such list (404). Check `paths` in the source's YAML.")
        if 400 <= status < 500:
            raise RejectedError(
                f"{what}: {self.server} does not take the request ({status}). Check `api` in the source's YAML."
            )
        raise UnreadableError(f"{what}: {self.server} answers {status}. Nothing of it is taken.")

    def _write(self, what: str, response: httpx.Response, into: Path, most_bytes: int | None) -> None:
        """The body as the server has it: unpacked, whole, and on the disk."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        size, checked_at = 0, 0
        self._expect_room(what)
        with whole_file(into) as file:
            for chunk in self._body(response):
                if size == 0 and (kind in ("text/html", "application/xhtml+xml") or is_page(chunk)):
                    raise UnreadableError(
                        f"{what}: {self.server} answers with a page for people (HTML) where records are due: a sign-in, a proxy or upkeep. "
                        "Nothing of it is taken; look at it in a browser."
                    )
                size += len(chunk)
                if most_bytes is not None and size > most_bytes:
                    raise UnreadableError(
                        f"{what}: a response of more than {most_bytes >> 20} MB in one JSON document. Ask for fewer records at a time (`page_size`; of REDCap `batch_records`), or for NDJSON."
                    )
                if size - checked_at > _CHECKED_BYTES:
                    checked_at = size
                    self._expect_room(what)
                file.write(chunk)

    def _body(self, response: httpx.Response) -> Iterator[bytes]:
        # Each piece as soon as it has come: waiting until many are there would hide how slowly they do.
        return unpacked(getting_on(response.iter_raw(), self._connection.timeout_seconds), response)

    def _expect_room(self, what: str) -> None:
        if self._free_bytes() <= 0:
            raise PipelineError(
                f"{what}: the disk is nearly full (minimum_free_bytes in outcomes.toml). Free some, then run the command again: what has landed stays."
            )

    def _post(self, address: str, form: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
        """Ask the authorization server for a token."""
        what = "the authorization server"

        def once() -> dict[str, Any]:
            with self._http.stream("POST", address, data=form, headers=headers) as response:
                if response.status_code in _BUSY:
                    raise AgainError(f"answers {response.status_code}", seconds_asked_for(response.headers))
                if response.status_code != 200:
                    raise UnreadableError(
                        f"{what} refuses to give a token ({response.status_code}). Check `authentication` in the source's YAML and the variable that it names."
                    )
                body = b""
                for chunk in self._body(response):
                    body += chunk
                    if len(body) > _MOST_SMALL_BYTES:
                        raise UnreadableError(f"{what} answers with more than a token.")
            try:
                answer = json.loads(body)
            except (ValueError, RecursionError):
                raise DamagedBodyError("answers with what is no JSON") from None
            return answer if isinstance(answer, dict) else {}

        return self._patience(what, once)

    def _pace(self) -> None:
        """Not more requests a minute than the source allows."""
        if self._connection.requests_per_minute is None:
            return
        now = time.monotonic()
        if self._asked_at is not None:
            due = self._asked_at + 60.0 / self._connection.requests_per_minute
            if due > now:
                self._wait(due - now)
                now = due
        self._asked_at = now


class RejectedError(UnreadableError):
    """The server does not take a request, such as one with a mark that it has forgotten meanwhile."""


class NotThereError(RejectedError):
    """The server knows no such address, which is how some say that the pages have ended."""


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme)
