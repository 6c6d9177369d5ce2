"""What is asked of a server, and what it says about its answer beside the body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from flows.exports.patience import http_date

# RFC 8288. httpx splits links at commas, which addresses may hold.
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*(?:=\s*(?:"[^"]*"|[^\s",;]+))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*"?([^";]*)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """What is asked for: a whole address, what is added to its query and headers, and with which statuses it may be answered.

    With a form it is posted, else a GET. `is_open`: whoever has the address may read it. It may be on another server, and nobody
    is told who asks.
    """

    address: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    statuses: frozenset[int] = frozenset({200, 204})
    is_open: bool = False


@dataclass(frozen=True)
class Answer:
    """What the server said about the body that it sent. `is_framed`: how long the body is was said too."""

    status: int
    address: str
    headers: httpx.Headers
    is_framed: bool

    @property
    def links(self) -> list[dict[str, str]]:
        """What the header `Link` names: each with its `url` and its `rel`."""
        return [
            {"url": url, "rel": rel}
            for url, rest in _LINK.findall(self.headers.get("link", ""))
            for rel in _REL.findall(rest)
        ]

    @property
    def at(self) -> datetime | None:
        """The server's clock when it answered."""
        return http_date(self.headers.get("date"))
