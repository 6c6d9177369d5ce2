"""What may heal is tried again, with pauses that grow; what does not is said once.

Nothing that httpx says goes any further: its words may hold an address with marks of records, or a piece of an answer.
"""

from __future__ import annotations

import random
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from flows.errors import TransientError, UnreadableError
from schemas.apis import Retries

Found = TypeVar("Found")

# A body that is not what it should be may have been cut on its way; one that is so again is so at its server.
_DAMAGED_ATTEMPTS = 3


class DamagedBodyError(ValueError):
    """A body that cannot be read as what it should be; the message says why, without anything that stands in it."""


class AgainError(Exception):
    """It may help to ask again."""

    def __init__(self, why: str, wait: float | None = None, *, is_damaged: bool = False) -> None:
        super().__init__(why)
        self.why, self.wait, self.is_damaged = why, wait, is_damaged


class Patience:
    """Calls what asks a server until it answers, and gives up for now after so many attempts."""

    def __init__(self, server: str, retries: Retries, wait: Callable[[float], None]) -> None:
        self._server, self._retries, self._wait = server, retries, wait

    def __call__(self, what: str, once: Callable[[], Found]) -> Found:
        """What `once` gives, called again while that can help, with pauses that are never the same.

        Raises TransientError if it goes on failing, UnreadableError if what comes is damaged each time.
        """
        retries, attempt, damaged = self._retries, 0, 0
        while True:
            attempt += 1
            try:
                with sorted_errors(what, self._server):
                    return once()
            except AgainError as again:
                damaged += again.is_damaged
                if damaged >= min(_DAMAGED_ATTEMPTS, retries.attempts):
                    raise UnreadableError(f"{what}: {self._server} {again.why}. Nothing of it is taken.") from None
                if attempt >= retries.attempts:
                    raise TransientError(
                        f"{what}: {self._server} {again.why}, the last of {attempt} attempts. Run the command again later: it goes on where it stopped."
                    ) from None
                if again.wait is not None and again.wait > retries.longest_seconds:
                    raise TransientError(
                        f"{what}: {self._server} {again.why} and asks for {again.wait:,.0f} seconds of patience. Run the command again then: it goes on where it stopped."
                    ) from None
                grown = retries.first_seconds * 2 ** (attempt - 1)
                pause = min(grown * random.uniform(0.5, 1.5), retries.longest_seconds)  # noqa: S311  no secret
                self._wait(max(pause, again.wait or 0.0))


def http_date(text: str | None) -> datetime | None:
    """The instant that a header states, as HTTP or ISO 8601 write it with a time zone; None if it states none."""
    if not text:
        return None
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            at = parse(text.strip())
        except (ValueError, TypeError, IndexError):
            continue
        if at.tzinfo is not None:
            return at
    return None


def to_the_second(at: datetime) -> str:
    """An instant as servers are asked from it. What is cut off makes it earlier, so that nothing is missed."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_asked_for(headers: httpx.Headers) -> float | None:
    """What `Retry-After` asks for; a date is told by the server's clock, not ours."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    until, now = http_date(text), http_date(headers.get("date"))
    return max(0.0, (until - now).total_seconds()) if until and now else None


@contextmanager
def sorted_errors(what: str, server: str) -> Iterator[None]:
    """What httpx raises, as what may heal and what does not. Its own words may hold an address or a piece of an answer."""
    try:
        yield
    except DamagedBodyError as error:
        raise AgainError(str(error), is_damaged=True) from None
    except httpx.TimeoutException:
        raise AgainError("does not answer in time") from None
    except httpx.ConnectError as error:
        if _is_distrust(error):
            raise UnreadableError(
                f"{what}: the certificate of {server} does not hold, so nothing is asked of it. If it is of an authority of your own, name "
                "that one's file in the variable SSL_CERT_FILE."
            ) from None
        raise AgainError("cannot be reached") from None
    except httpx.DecodingError:
        raise AgainError("sends a body that cannot be unpacked", is_damaged=True) from None
    except httpx.TransportError:
        raise AgainError("breaks off the connection") from None
    except httpx.InvalidURL:
        raise UnreadableError(f"{what}: {server} points to what is no address.") from None


def _is_distrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
