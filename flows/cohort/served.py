"""The platform's export API over the files of a cohort, on this machine's loopback: for the demonstration and for tests.

It says what `schemas/platform-api.openapi.json` says, and keeps each table in memory as Arrow columns, sorted once.
"""

from __future__ import annotations

import http.server
import json
import os
import secrets
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.csv as pa_csv

from schemas.apis import Bearer, RestApi
from schemas.contract import TABLES, Column, contract
from schemas.platform_api import FORMAT_VERSION, MOST_RECORDS
from schemas.sources import sources

SOURCE_NAME = "platform"
_ORDER = ("source_updated_at", "source_record_id")
_ENVELOPE = 4


class BadRequestError(ValueError):
    """A parameter that cannot be read."""


class Lists:
    """The tables of a cohort as the API gives them: every version once, in the order in which they changed."""

    def __init__(self, folder: Path) -> None:
        """Read all canonical files of the folder: `patient.csv` and `patient-late.csv` are one list."""
        self._tables = {
            table: _versions(sorted(folder.glob(f"{table}.csv")) + sorted(folder.glob(f"{table}-*.csv")))
            for table in TABLES
        }
        self._times = {table: found["source_updated_at"].to_pylist() for table, found in self._tables.items()}

    def page(self, table: str, query: dict[str, str]) -> dict[str, Any]:
        """One page. Raises KeyError if there is no such list, BadRequestError if a parameter cannot be read."""
        found = self._tables[table]
        first = bisect_left(self._times[table], _since(query)) if "updated_since" in query else 0
        start = max(first, _number(query.get("cursor", "0"), 0, len(found)))
        end = min(start + _number(query.get("limit", str(MOST_RECORDS)), 1, MOST_RECORDS), len(found))
        columns = {column.delivered_name: column for column in contract(table).delivered_columns}
        return {
            "format_version": FORMAT_VERSION,
            "records": [_record(row, columns) for row in found.slice(start, end - start).to_pylist()],
            "next_cursor": str(end) if end < len(found) else None,
            "total": len(found) - first,
        }


class Server:
    """Serves `lists` until it is left; `token` is what a request must show, `url` the address for a source's YAML."""

    def __init__(self, lists: Lists) -> None:
        self.lists, self.token = lists, secrets.token_urlsafe(24)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, body = server.answer(self.path, self.headers.get("Authorization", ""))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing: an address may hold a mark of records."""

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def answer(self, address: str, authorization: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a request."""
        if not secrets.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            return 401, {"error": "the token is missing or wrong"}
        parts = urlsplit(address)
        try:
            return 200, self.lists.page(parts.path.removeprefix("/v1/"), dict(parse_qsl(parts.query)))
        except KeyError:
            return 404, {"error": "there is no such list"}
        except BadRequestError:
            return 400, {"error": "a parameter cannot be read"}

    def describe(self, folder: Path) -> RestApi:
        """Write the source `platform` into a workspace's `sources/`, with this server's address; what its YAML says of the API."""
        bundled = sources()[SOURCE_NAME].api
        assert isinstance(bundled, RestApi)
        text = files("schemas").joinpath("sources", f"{SOURCE_NAME}.yaml").read_text(encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{SOURCE_NAME}.yaml").write_text(text.replace(bundled.address, self.url), encoding="utf-8")
        described = sources(folder)[SOURCE_NAME].api
        assert isinstance(described, RestApi)
        return described

    @contextmanager
    def known(self, folder: Path) -> Iterator[None]:
        """Pulls of this process find the server and its token: by the workspace's `sources/` and the variable named there."""
        api = self.describe(folder)
        assert isinstance(api.authentication, Bearer)
        variable = api.authentication.secret
        before = os.environ.get(variable)
        os.environ[variable] = self.token
        try:
            yield
        finally:
            del os.environ[variable]
            if before is not None:
                os.environ[variable] = before

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


def _versions(paths: list[Path]) -> pa.Table:
    """The records of some files as text, each version once, sorted."""
    read = []
    for path in paths:
        names = pa_csv.open_csv(path).schema.names
        texts = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        read.append(pa_csv.read_csv(path, convert_options=texts))
    table = pa.concat_tables(read)
    return table.group_by(table.column_names).aggregate([]).sort_by([(name, "ascending") for name in _ORDER])


def _record(row: dict[str, str | None], columns: dict[str, Column]) -> dict[str, Any]:
    if row["is_deleted"] == "true":
        envelope = list(row.items())[:_ENVELOPE]
        return dict(envelope) | {"is_deleted": True}
    return {name: _value(text, columns[name]) for name, text in row.items()}


def _value(text: str | None, column: Column) -> Any:
    """The text of a CSV as the JSON value of its column's type. One that is none of that type stays a text, for the reader to judge."""
    if text is None or column.is_list:
        return text
    if column.sql_type == "BOOLEAN":
        return {"true": True, "false": False}.get(text, text)
    as_type = {"TINYINT": int, "SMALLINT": int, "INTEGER": int, "BIGINT": int, "DOUBLE": float}.get(column.sql_type)
    try:
        return as_type(text) if as_type else text
    except ValueError:
        return text


def _since(query: dict[str, str]) -> str:
    """The asked time as the cohort's files write it, so that texts compare as times."""
    try:
        at = datetime.fromisoformat(query["updated_since"])
    except ValueError:
        raise BadRequestError from None
    if at.tzinfo is None:
        raise BadRequestError
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text)):
        raise BadRequestError
    return min(int(text), most)
