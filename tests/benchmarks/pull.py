"""Speed and memory of `outcomes pull` over this machine's loopback, in pages of JSON and as one body of NDJSON.

The server is in a process of its own and makes nothing but text: what is measured is asking, checking, landing and remembering.
Memory is flat if a tenth of the records needs as much.

    python tests/benchmarks/pull.py [--records 1000000] [--page 1000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import http.server
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

OUTCOMES = Path(sys.executable).parent / "outcomes"
RECORD = {
    "source_record_id": "r00000000",
    "source_patient_id": "p000000",
    "source_updated_at": "2025-06-01T08:30:00Z",
    "is_deleted": "false",
    "reported_on": "2025-06-01",
    "symptom_code": "muscle_weakness",
    "severity": "2",
    "body_region": "legs",
    "side": "left",
    "perceived_cause": "direct_nerve",
    "is_worse_with_heat": "true",
    "recall_days": "7",
}
SOURCE = """
name: bench
description: A server on loopback
files: [{{match: 'symptom_report*', feeds: [symptom_report]}}]
format: {format}
{records}
api:
  address: http://127.0.0.1:{port}
  paths: [{{path: /{format}/{count}, file: symptom_report}}]
  paging: {paging}
  page_size: {{parameter: limit, records: {page}}}
  incremental: {{parameter: updated_since, field: $.source_updated_at}}
"""


def lines(start: int, end: int) -> Iterator[bytes]:
    """The records as JSON, each with an id of its own."""
    before, after = json.dumps(RECORD).encode().split(b"r00000000")
    for number in range(start, end):
        yield b"%sr%08d%s" % (before, number, after)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, kind, number = parts.path.split("/")
        query, count = parse_qs(parts.query), int(number)
        start = int(query.get("after", ["0"])[0])
        end = min(start + int(query["limit"][0]), count)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if kind == "ndjson":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for begin in range(0, count, 10_000):
                body = b"\n".join((*lines(begin, min(begin + 10_000, count)), b""))
                self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
            self.wfile.write(b"0\r\n\r\n")
            return
        following = f'"/json/{count}?limit={query["limit"][0]}&after={end}"' if end < count else "null"
        body = b'{"data":[' + b",".join(lines(start, end)) + b'],"next":' + following.encode() + b"}"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve(port: Connection) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.send(server.server_address[1])
    server.serve_forever()


def measured(*command: str | Path) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a command; stops the benchmark if it fails."""
    os.sync()
    began = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{output.decode(errors='replace')}")
    return time.perf_counter() - began, usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--page", type=int, default=1_000)
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    ours, theirs = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for form, pages in (("json", f"pages of {given.page:,}"), ("ndjson", "one body")):
            for count in (given.records // 10, given.records):
                workspace = Path(name) / f"{form}-{count}"
                measured(OUTCOMES, "init", workspace)
                paging = "{kind: next_link, at: $.next}" if form == "json" else "{kind: none}"
                records = "records: $.data[*]" if form == "json" else ""
                (workspace / "sources" / "bench.yaml").write_text(
                    SOURCE.format(format=form, port=port, records=records, paging=paging, page=given.page, count=count)
                )
                seconds, memory = measured(OUTCOMES, "--workspace", workspace, "pull", "bench")
                landed = sum(path.stat().st_size for path in (workspace / "landing" / "bench").iterdir())
                print(
                    f"{count:>9,} records as {form:6} in {pages:15} {landed / 1e6:6,.0f} MB  {seconds:7.1f} s  "
                    f"{count / seconds:9,.0f} records/s  {memory:5,.0f} MB of memory",
                    flush=True,
                )
    server.kill()


if __name__ == "__main__":
    main()
