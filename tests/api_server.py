"""A REST API on this machine's loopback which serves a list in every way of paging, and can misbehave in each way that we know."""

from __future__ import annotations

import gzip
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import yaml
from canonical import record, write

from flows.settings import Workspace
from schemas.sources import Source, sources

TOKEN = "TOP-SECRET-TOKEN"
VARIABLE = "PLATFORM_TOKEN"
CLOCK = datetime(2025, 12, 31, 12, tzinfo=UTC)
STYLES: dict[str, dict[str, Any]] = {
    "link_header": {"kind": "link_header"},
    "next_link": {"kind": "next_link", "at": "$.next"},
    "bundle": {"kind": "bundle"},
    "cursor": {"kind": "cursor", "parameter": "after", "at": "$.meta.cursor"},
    "cursor_header": {"kind": "cursor", "parameter": "after", "header": "X-Cursor"},
    "cursor_more": {"kind": "cursor", "parameter": "after", "at": "$.meta.cursor", "more": "$.meta.more"},
    "cursor_record": {"kind": "cursor", "parameter": "after_id", "last_record": "$.source_record_id"},
    "page": {"kind": "page"},
    "page_short": {"kind": "page", "end": "short"},
    "page_not_found": {"kind": "page", "first": 0, "end": "not_found"},
    "offset": {"kind": "offset"},
    "offset_short": {"kind": "offset", "end": "short"},
}
NDJSON_STYLES = ("link_header", "cursor_header", "cursor_record", "page", "offset")


def consents(count: int, start: int = 0) -> list[dict[str, str]]:
    """Records as the API gives them; each changed a minute after the one before."""
    return [
        record(
            "consent",
            f"c{n:05}",
            source_patient_id=f"SECRET-PATIENT-{n}",
            source_updated_at=f"2025-06-01T{n // 60 % 24:02}:{n % 60:02}:00Z",
            scope="aggregate_release",
            status="granted",
        )
        for n in range(start, start + count)
    ]


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    number: int = 0


@dataclass
class Reply:
    """What the server is about to answer; a fault changes it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    # So many bytes are sent, then the connection ends.
    cut_after: int | None = None
    is_framed: bool = True
    pause: float = 0.0
    # A body that no memory need hold, in pieces.
    pieces: Iterable[bytes] | None = None


Fault = Callable[["Api", Asked, Reply], None]


class Loopback:
    """A server on this machine for as long as a block lasts; whatever it says, it says at the time of its `clock`."""

    clock: datetime

    def listen(self, answers: type[http.server.BaseHTTPRequestHandler]) -> None:
        """Begin to serve, at `url`. The handler says what is answered."""
        loopback = self

        class Handler(answers):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return format_datetime(loopback.clock, usegmt=True)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that hangs up is what some tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Api(Loopback):
    """`fault` is told of each answer to a page before it is sent; `cap` is the most records that a page ever has."""

    def __init__(self, records: list[dict[str, Any]], style: str = "next_link", fault: Fault | None = None) -> None:
        self.records, self.style, self.fault = records, style, fault
        self.is_ndjson, self.cap, self.clock, self.token = False, 1_000_000, CLOCK, TOKEN
        self.token_seconds: int | None = None
        self.asked: list[Asked] = []
        self.forms: list[dict[str, str]] = []
        self.token_count = 0
        self.lock = threading.Lock()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                api.answer(self)

            def do_POST(self):
                form = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                api.forms.append(dict(parse_qsl(form.decode())))
                api.give_token(self)

        self.listen(Handler)

    def pages(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == "/v1/consents"]

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        asked = Asked(parts.path, dict(parse_qsl(parts.query)), dict(handler.headers), len(self.pages()) + 1)
        with self.lock:
            self.asked.append(asked)
            reply = self.reply(asked)
            if self.fault is not None:
                self.fault(self, asked, reply)
        send(handler, reply)

    def reply(self, asked: Asked) -> Reply:
        if self.token and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply(401, b'{"error": "no"}')
        if asked.path == "/v1/consents/count":
            return Reply(body=json.dumps({"count": len(self.matching(asked.query))}).encode())
        if asked.path != "/v1/consents":
            return Reply(404, b'{"error": "not found"}')
        return self.page(asked)

    def matching(self, query: dict[str, str]) -> list[dict[str, Any]]:
        since = query.get("updated_since", "")
        return [found for found in self.records if found.get("source_updated_at", "") >= since]

    def page(self, asked: Asked) -> Reply:
        query, found = asked.query, self.matching(asked.query)
        size = min(int(query.get("limit", 10)), self.cap)
        first_number = STYLES[self.style].get("first", 1)
        if "page" in query:
            start = (int(query["page"]) - first_number) * size
        elif "after_id" in query:
            start = next((n for n, r in enumerate(found) if r["source_record_id"] > query["after_id"]), len(found))
        else:
            start = int(query.get("after", query.get("offset", 0)))
        end = start + size
        if "page" in query and STYLES[self.style].get("end") == "not_found" and start >= len(found) and start:
            return Reply(404, b'{"detail": "Invalid page."}')
        more = end < len(found)
        cursor = str(end) if more else None
        link = f"/v1/consents?{urlencode({**query, 'after': cursor})}" if more else None
        reply = Reply(headers={"X-Total-Count": str(len(found)), "X-Exported-At": self.clock.isoformat()})
        if self.style == "link_header" and link:
            reply.headers["Link"] = (
                f'<{self.url}/v1/consents?x=a,b>; rel="first", <{link}>; title="a, b"; rel="NEXT last"'
            )
        if self.style == "cursor_header" and cursor:
            reply.headers["X-Cursor"] = cursor
        if self.is_ndjson:
            reply.body = "".join(json.dumps(r) + "\n" for r in found[start:end]).encode()
            return reply
        body: dict[str, Any] = {"version": 1, "data": found[start:end], "total": len(found)}
        if self.style == "next_link":
            body["next"] = link
        body["meta"] = {"cursor": cursor, "more": more}
        if self.style == "bundle":
            entry = [{"resource": r, "search": {"mode": "match"}} for r in found[start:end]]
            links = [
                {"relation": "self", "url": "/v1/consents"},
                *([{"relation": "next", "url": link}] if link else []),
            ]
            body = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links}
            # FHIR knows no empty lists.
            body |= {"entry": entry} if entry else {}
        reply.body = json.dumps(body).encode()
        return reply

    def give_token(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        with self.lock:
            self.token_count += 1
            self.asked.append(Asked("/token", {}, dict(handler.headers)))
            self.token = f"{TOKEN}-{self.token_count}"
            answer = {"access_token": self.token, "token_type": "Bearer", "expires_in": self.token_seconds}
        send(handler, Reply(body=json.dumps(answer).encode()))

    def source(self, workspace: Workspace, name: str = "platform", **said: Any) -> Source:
        """The source's YAML in a workspace, with what is said otherwise under `api`."""
        api = {
            "address": f"{self.url}/v1",
            "paths": [{"path": "/consents", "file": "consent"}],
            "paging": STYLES[self.style],
            "page_size": {"parameter": "limit", "records": 10},
            "authentication": {"kind": "bearer", "secret": VARIABLE},
            "retries": {"first_seconds": 0.01, "attempts": 4},
            **said,
        }
        text = {
            "name": name,
            "description": "A platform's API",
            "files": [{"match": "consent*", "feeds": ["consent"]}],
            "format": "ndjson" if self.is_ndjson else "json",
            "api": {key: value for key, value in api.items() if value is not None},
        }
        if not self.is_ndjson:
            text["records"] = "$.entry[*].resource" if self.style == "bundle" else "$.data[*]"
        for key in ("exported_at",):
            if key in text["api"]:
                text[key] = text["api"].pop(key)
        folder = workspace.folder("sources")
        write(folder / f"{name}.yaml", yaml.safe_dump(text))
        return sources(folder)[name]


def send(handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> None:
    if reply.pause:
        time.sleep(reply.pause)
    body = reply.body
    if handler.headers.get("Accept-Encoding") == "gzip" and reply.headers.pop("gzip", None):
        body = gzip.compress(body)
        reply.headers["Content-Encoding"] = "gzip"
    if reply.cut_after == -1:
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)
        return
    handler.send_response(reply.status)
    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
        handler.send_header(name, value)
    if reply.pieces is not None:
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in reply.pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")
        return
    if reply.is_framed:
        handler.send_header("Content-Length", str(len(body)))
    else:
        handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body if reply.cut_after is None else body[: reply.cut_after])
    handler.wfile.flush()
    if reply.cut_after is not None or not reply.is_framed:
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)


def landed(workspace: Workspace, source: str = "platform") -> list[Path]:
    return sorted(workspace.folder("landing", source).iterdir())


def landed_records(workspace: Workspace, source: str = "platform") -> dict[str, str]:
    """Every landed record by its text, so that those of two workspaces can be compared."""
    found = {}
    for path in landed(workspace, source):
        text = path.read_text()
        document = {} if path.suffix == ".ndjson" else json.loads(text)
        rows = map(json.loads, text.splitlines()) if path.suffix == ".ndjson" else document.get("data", [])
        rows = [entry["resource"] for entry in document["entry"]] if "entry" in document else rows
        found |= {json.dumps(row, sort_keys=True): row["source_record_id"] for row in rows}
    return found


def as_records(records: list[dict[str, Any]]) -> dict[str, str]:
    return {json.dumps(row, sort_keys=True): row["source_record_id"] for row in records}
