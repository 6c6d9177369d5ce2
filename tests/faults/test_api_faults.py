"""A server that misbehaves in every way that we know: the end is that of one which behaves, or one clear error and nothing lost."""

import json
import resource
import socket
import ssl
import subprocess
import sys
from functools import partial

import pytest
from api_server import NDJSON_STYLES, STYLES, TOKEN, VARIABLE, Api, as_records, consents, landed, landed_records
from certificates import certificate
from misbehaviour import HEALING, cut, status
from modes import share

from flows.exports import bodies, state
from flows.exports.client import Client

# What a test says is looked at even where the pull runs in another process.
pytestmark = pytest.mark.usefixtures("pulled")
RECORDS = consents(47)
TOTALS = [{"at": "$.total"}, {"header": "X-Total-Count"}, {"path": "/consents/count", "at": "$.count"}]


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture
def pull(pulled):
    return partial(pulled, "platform")


def on(number, change):
    """A fault of the answer with that number only."""

    def fault(api, asked, reply):
        if asked.path == "/v1/consents" and asked.number == number:
            change(reply)

    return fault


@pytest.mark.parametrize("name", HEALING)
def test_what_heals_is_asked_for_again(workspace, pull, name):
    with Api(RECORDS, fault=on(1, HEALING[name])) as api:
        api.source(workspace, timeout_seconds=0.4)
        found = pull()
        assert (found.exit_code, found.message, found.record_count) == (0, "", 47)
        assert len(api.pages()) == 6
    assert landed_records(workspace) == as_records(RECORDS)


@pytest.mark.parametrize("style", STYLES)
def test_a_server_that_fails_every_other_time_gives_all_in_every_way_of_paging(workspace, pull, style):
    kinds = list(HEALING.values())

    def fault(api, asked, reply):
        if asked.number % 2:
            kinds[asked.number // 2 % len(kinds)](reply)

    with Api(RECORDS, style, fault=fault) as api:
        api.source(workspace, timeout_seconds=0.4)
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


@pytest.mark.parametrize("name", HEALING)
def test_what_does_not_heal_is_given_up_and_gone_on_with_later(workspace, pull, name):
    def fault(api, asked, reply):
        if asked.number >= 3:
            HEALING[name](reply)

    with Api(RECORDS, fault=fault) as api:
        api.source(workspace, timeout_seconds=0.4, retries={"first_seconds": 0.01, "attempts": 2})
        found = pull()
        is_body = name in ("packed-and-cut", "rubbish", "cut-without-a-length")
        assert found.exit_code == (10 if is_body else 20)
        assert found.message.startswith("/consents: 127.0.0.1:")
        assert len(landed(workspace)) == 2
        api.fault = None
        asked_before = len(api.pages())
        assert pull().record_count == 47
        assert len(api.pages()) - asked_before == 3
    assert landed_records(workspace) == as_records(RECORDS)


def test_the_pause_that_a_server_asks_for_is_kept_and_grows_where_it_asks_for_none(workspace, pull, monkeypatch):
    waited = []
    monkeypatch.setattr(Client.__init__, "__defaults__", (waited.append, lambda: 1 << 62))
    replies = [
        status(503, Retry_After="7"),
        status(429, Retry_After="Wed, 31 Dec 2025 12:00:09 GMT"),
        status(500),
        status(500),
    ]
    with Api(RECORDS, fault=lambda _a, asked, reply: asked.number <= 4 and replies[asked.number - 1](reply)) as api:
        api.source(workspace, retries={"attempts": 6, "first_seconds": 1})
        assert pull().record_count == 47
    assert waited[:2] == [7, 9]
    assert 2 <= waited[2] <= 6 <= 4 * 1.5 <= 8 * 1.5
    assert 4 <= waited[3] <= 12


def test_a_server_that_asks_for_too_long_a_pause_is_left_alone(workspace, pull):
    with Api(RECORDS, fault=on(2, status(429, Retry_After="86400"))) as api:
        api.source(workspace)
        found = pull()
        assert found.exit_code == 20
        assert "86,400 seconds" in found.message
        assert len(api.pages()) == 2
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_server_that_is_not_there(workspace, pull):
    with Api(RECORDS) as api:
        api.source(workspace)
    found = pull()
    assert found.exit_code == 20
    assert "cannot be reached" in found.message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "refuses the credentials"),
        (403, "refuses the credentials"),
        (404, "no such list"),
        (400, "does not take"),
        (301, "answers 301"),
        (206, "answers 206"),
    ],
)
def test_a_refusal_is_not_asked_again(workspace, pull, code, words):
    with Api(RECORDS, fault=on(2, status(code))) as api:
        api.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert words in found.message
        assert len(api.pages()) == 2
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


@pytest.mark.parametrize("headers", [{}, {"Content_Type": "text/html; charset=utf-8"}])
def test_a_page_for_people_is_refused(workspace, pull, headers):
    def page(reply):
        status(200, **headers)(reply)
        reply.body = b"\n <!DOCTYPE html><html>Sign in, SECRET-PATIENT-1</html>"

    with Api(RECORDS, fault=on(3, page)) as api:
        api.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert "HTML" in found.message
        assert len(landed(workspace)) == 2
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


BODIES = {
    "no-records": (b'{"error": "SECRET-PATIENT-1", "next": null}', "nothing at $.data"),
    "records-are-no-list": (b'{"data": {"a": 1}, "next": null}', "nothing at $.data"),
    "a-list": (b"[1]", "nothing at $"),
    "text": (b"SECRET-PATIENT-1", "no JSON"),
    "not-a-number": (b'{"data": [NaN], "next": null}', "no JSON"),
    "empty": (b"", "no JSON"),
    "deep": (b"[" * 100_000 + b"]" * 100_000, "no JSON"),
    "no-way-on": (json.dumps({"data": RECORDS[:10]}).encode(), "nothing at $.next"),
    "way-is-no-link": (json.dumps({"data": RECORDS[:10], "next": {"href": "x"}}).encode(), "no link"),
    "other-version": (json.dumps({"version": 2, "data": RECORDS[:10], "next": None}).encode(), "not of version 1"),
    "no-version": (json.dumps({"data": RECORDS[:10], "next": None}).encode(), "not of version 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_not_what_it_should_be_does_not_land(workspace, pull, name):
    body, words = BODIES[name]

    def fault(_api, asked, reply):
        if asked.number >= 3:
            reply.body = body

    version = {"at": "$.version", "accepted": [1]} if "version" in name else None
    with Api(RECORDS, fault=fault) as api:
        api.source(workspace, version=version)
        found = pull()
        assert found.exit_code == 10
        assert words in found.message
        assert len(landed(workspace)) == 2
        api.fault = None
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_new_version_is_taken_once_the_yaml_knows_it(workspace, pull):
    def fault(_api, asked, reply):
        if asked.number >= 3:
            reply.body = reply.body.replace(b'"version": 1', b'"version": "2b"')

    with Api(RECORDS, fault=fault) as api:
        api.source(workspace, version={"at": "$.version", "accepted": 1})
        assert pull().exit_code == 10
        api.source(workspace, version={"at": "$.version", "accepted": [1, "2b"]})
        asked_before = len(api.pages())
        assert pull().record_count == 47
        assert len(api.pages()) == asked_before + 3
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_token_that_expires_in_mid_run_is_renewed_once(workspace, pull):
    def fault(api, asked, reply):
        if asked.number == 3:
            api.token = "another"
            reply.status = 401

    with Api(RECORDS, fault=fault) as api:
        api.source(workspace, authentication=oauth(api))
        assert pull().record_count == 47
        assert api.token_count == 2
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_token_that_is_refused_although_it_is_new_ends_the_pull(workspace, pull):
    with Api(RECORDS, fault=lambda _a, _q, reply: status(401)(reply)) as api:
        api.source(workspace, authentication=oauth(api))
        found = pull()
        assert (found.exit_code, api.token_count, len(api.pages())) == (10, 2, 2)


@pytest.mark.parametrize(
    ("code", "body", "exit_code"),
    [(400, b'{"error": "invalid_client"}', 10), (503, b"", 20), (200, b"{}", 10), (200, b"<html>", 10)],
)
def test_an_authorization_server_that_gives_no_token(workspace, pull, monkeypatch, code, body, exit_code):
    from api_server import Reply, send

    monkeypatch.setattr(Api, "give_token", lambda _self, handler: send(handler, Reply(code, body)))
    with Api(RECORDS) as api:
        api.source(workspace, authentication=oauth(api))
        found = pull()
        assert found.exit_code == exit_code
        assert "authorization server" in found.message
        assert api.pages() == []


def oauth(api):
    return {"kind": "oauth2", "token_address": f"{api.url}/token", "client_id": "us", "secret": VARIABLE}


def elsewhere(how, other):
    def change(reply):
        if how == "redirect":
            reply.status, reply.headers["Location"] = 307, f"{other.url}/v1/consents"
        elif how == "scheme":
            reply.status, reply.headers["Location"] = 302, other.url.replace("http:", "https:")
        elif how == "header":
            reply.headers["Link"] = f'<{other.url}/v1/consents?after=10>; rel="next"'
        else:
            reply.body = reply.body.replace(b'"/v1/consents?', f'"{other.url}/v1/consents?'.encode())

    return change


@pytest.mark.parametrize("how", ["redirect", "scheme", "header", "body"])
def test_another_server_is_never_shown_the_token(workspace, pull, how):
    style = "link_header" if how == "header" else "next_link"
    with Api(RECORDS) as other, Api(RECORDS, style, fault=on(2, elsewhere(how, other))) as api:
        api.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert "another server" in found.message
        assert other.asked == []
        api.fault = None
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_redirect_within_the_server_is_followed(workspace, pull):
    def moved(_api, asked, reply):
        if asked.number % 2:
            reply.status, reply.headers["Location"] = (
                308,
                f"/v1/consents?{'&'.join(f'{k}={v}' for k, v in asked.query.items())}",
            )

    with Api(RECORDS, fault=moved) as api:
        api.source(workspace)
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_redirect_without_end(workspace, pull):
    def round_and_round(_api, _asked, reply):
        reply.status, reply.headers["Location"] = 302, "/v1/consents"

    with Api(RECORDS, fault=round_and_round) as api:
        api.source(workspace)
        assert "without end" in pull().message


def test_a_next_page_that_was_read_already_ends_the_pull(workspace, pull):
    def fault(_api, asked, reply):
        body = json.loads(reply.body)
        if asked.query.get("after") == "20":
            body["next"] = "/v1/consents?limit=10&after=10"
        reply.body = json.dumps(body).encode()

    with Api(RECORDS, fault=fault) as api:
        api.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert "in circles" in found.message
        assert len(api.pages()) < 6
        api.fault = None
        assert pull().record_count == 47
    assert landed_records(workspace) == as_records(RECORDS)


@pytest.mark.parametrize("style", ["cursor", "page", "offset"])
@pytest.mark.parametrize("records", [RECORDS[:10], []], ids=["the-same-records", "no-records"])
def test_a_server_that_never_ends_ends_the_pull(workspace, pull, monkeypatch, style, records):
    monkeypatch.setattr("flows.exports.pulling._MOST_EMPTY", 20)

    def fault(_api, asked, reply):
        body = {"data": records, "meta": {"cursor": str(asked.number), "more": True}}
        reply.body = json.dumps(body).encode()

    with Api(RECORDS, style, fault=fault) as api:
        paging = {**STYLES[style], **({} if style == "cursor" else {"check_seams": False})}
        api.source(workspace, paging=paging)
        found = pull()
        if records == [] and style != "cursor":
            assert (found.exit_code, found.record_count) == (0, 0)
        else:
            assert found.exit_code == 10
            assert "in circles" in found.message


def inserted(api):
    api.records = [*consents(3, 1000), *api.records]


def deleted(api):
    api.records = api.records[2:]


def moved_to_the_end(api):
    changed = {**api.records[0], "source_updated_at": "2025-12-31T11:59:00Z"}
    api.records = [*api.records[1:], changed]


def a_page_inserted(api):
    api.records = [*consents(10, 1000), *api.records]


@pytest.mark.parametrize("change", [inserted, deleted, moved_to_the_end, a_page_inserted], ids=lambda f: f.__name__)
@pytest.mark.parametrize("number", share([2, 6], range(2, 8)))
@pytest.mark.parametrize("is_ndjson", share([False], [False, True]))
@pytest.mark.parametrize("style", ["page", "page_short", "offset", "offset_short", "page_not_found"])
def test_no_record_is_skipped_where_pages_shift_while_they_are_read(workspace, pull, style, change, number, is_ndjson):
    with Api(list(RECORDS), style) as api:
        seen = 0

        def fault(_api, asked, reply):
            nonlocal seen
            if asked.query.get("limit") != "1":
                seen += 1
                if seen == number - 1:
                    # Between this page and the next.
                    change(api)

        api.fault, api.is_ndjson = fault, is_ndjson
        api.source(workspace)
        found = pull()
        assert (found.exit_code, found.message) == (0, "")
        have = set(landed_records(workspace).values())
        # What was inserted before the place that was read comes with the next pull; whatever stood there all the time is here.
        always = {r["source_record_id"] for r in RECORDS} & {r["source_record_id"] for r in api.records}
        assert always <= have


def test_a_list_that_never_stands_still_is_given_up_for_now(workspace, pull):
    def fault(api, asked, _reply):
        api.records = api.records[1:] + [{**api.records[0], "status": "withdrawn"}]

    with Api(list(RECORDS), "offset", fault=fault) as api:
        api.source(workspace)
        found = pull()
        assert found.exit_code == 20
        assert "move while they are read" in found.message
        api.fault = None
        assert pull().exit_code == 0
        assert as_records(api.records).items() <= landed_records(workspace).items()


@pytest.mark.parametrize("where", TOTALS, ids=["body", "header", "address"])
@pytest.mark.parametrize("style", ["next_link", "page", "offset"])
def test_records_missing_by_the_server_s_own_count_are_an_error(workspace, pull, where, style):
    def fault(_api, asked, reply):
        """A page loses a record on its way, every time."""
        if asked.path == "/v1/consents" and asked.query.get("limit") == "10":
            body = json.loads(reply.body)
            body["data"] = [found for found in body["data"] if found["source_record_id"] != "c00005"]
            reply.body = json.dumps(body).encode()

    with Api(RECORDS, style, fault=fault) as api:
        paging = {**STYLES[style], **({} if style == "next_link" else {"check_seams": False})}
        api.source(workspace, total=where, paging=paging, incremental={"parameter": "updated_since"})
        found = pull()
        assert found.exit_code == 11
        assert "1 records fewer than its total" in found.message
        kept = state.load(state.path_of(workspace, "platform", "consent"), "", "")
        assert kept.since is None
        api.fault = None
        assert pull().exit_code == 0
        assert "updated_since" not in api.pages()[-1].query
    assert landed_records(workspace).items() >= as_records(RECORDS).items()


@pytest.mark.parametrize("where", TOTALS, ids=["body", "header", "address"])
def test_a_total_that_holds_is_no_error(workspace, pull, where):
    with Api(RECORDS, "page") as api:
        api.source(workspace, total=where)
        assert (pull().exit_code, len(api.pages())) == (0, 12)
        # One that is less than what there is: nothing is missing, but somebody may want to know.
        api.fault = lambda _a, _q, reply: reply.headers.update({"X-Total-Count": "40"})
        api.source(workspace, total={"header": "X-Total-Count"})
        found = pull()
        assert found.exit_code == 0
        assert "total is 40" in found.notes[0]


def test_a_total_that_is_no_number(workspace, pull):
    with Api(RECORDS, fault=on(1, lambda reply: reply.headers.update({"X-Total-Count": "many"}))) as api:
        api.source(workspace, total={"header": "X-Total-Count"})
        assert "no number" in pull().message


def test_a_mark_that_the_server_has_forgotten_begins_the_list_anew(workspace, pull):
    with Api(RECORDS, "cursor", fault=on(3, status(503))) as api:
        api.source(workspace, retries={"attempts": 1})
        assert pull().exit_code == 20
        api.fault = lambda _a, asked, reply: asked.number == 4 and status(410)(reply)
        found = pull()
        assert (found.exit_code, found.record_count) == (0, 47)
        assert "begun anew" in found.notes[0]
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_list_with_nothing_to_say(workspace, pull):
    with Api(RECORDS, fault=lambda _a, _q, reply: (status(204)(reply), setattr(reply, "body", b""))) as api:
        api.source(workspace)
        found = pull()
        assert (found.exit_code, found.record_count, landed(workspace)) == (0, 0, [])


@pytest.mark.parametrize("style", ["next_link", "link_header", "cursor", "cursor_header"])
def test_a_middle_page_with_nothing_to_say_is_no_end(workspace, pull, style):
    with Api(RECORDS, style, fault=on(3, lambda reply: (status(204)(reply), setattr(reply, "body", b"")))) as api:
        api.source(workspace)
        assert pull().exit_code == 10
        assert pull().record_count == 47


@pytest.mark.parametrize("style", NDJSON_STYLES)
def test_ndjson_that_breaks_off_is_asked_for_again(workspace, pull, style):
    def fault(_api, asked, reply):
        if asked.number == 2:
            reply.body = reply.body[:-20]

    with Api(RECORDS, style, fault=fault) as api:
        api.is_ndjson = True
        api.source(workspace)
        found = pull()
        assert (found.exit_code, found.record_count) == (0, 47)
    assert landed_records(workspace) == as_records(RECORDS)


def test_ndjson_of_unknown_length_needs_a_total(workspace, pull):
    with Api(RECORDS, "link_header", fault=lambda _a, _q, reply: setattr(reply, "is_framed", False)) as api:
        api.is_ndjson = True
        api.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert "how long its body is" in found.message
        api.source(workspace, total={"header": "X-Total-Count"})
        assert pull().record_count == 47


def test_a_line_of_ndjson_that_is_none_is_for_quarantine_to_judge(workspace, pull):
    def fault(_api, asked, reply):
        if asked.number == 2:
            reply.body = b"{broken}\n" + reply.body

    with Api(RECORDS, "link_header", fault=fault) as api:
        api.is_ndjson = True
        api.source(workspace)
        assert pull().record_count == 48


def test_a_document_that_is_too_large_is_given_up_before_it_fills_the_disk(workspace, pull, monkeypatch):
    monkeypatch.setattr("flows.exports.rest.MOST_DOCUMENT_BYTES", 4 << 20)
    sent = 0

    def pieces():
        nonlocal sent
        yield b'{"data": ['
        while sent < 64:
            sent += 1
            yield b" " * (1 << 20)

    with Api(RECORDS, fault=on(1, lambda reply: setattr(reply, "pieces", pieces()))) as api:
        api.source(workspace)
        found = pull()
    assert found.exit_code == 10
    assert "fewer records at a time" in found.message
    assert sent < 40
    assert landed(workspace) == []


def test_what_unpacks_to_more_than_there_is_room_for_is_given_up(workspace, pull, monkeypatch):
    import gzip

    free = iter([10, 10, 10, -1])
    monkeypatch.setattr(
        "flows.exports.pulling.shutil.disk_usage", lambda _: type("", (), {"free": next(free) + 500_000_000})()
    )
    monkeypatch.setattr("flows.pipeline._check_space", lambda _: None)
    bomb = gzip.compress(b'{"a": 1}\n' * (20 << 20), 1)

    def fault(_api, _asked, reply):
        reply.body, reply.headers["Content-Encoding"] = bomb, "gzip"

    with Api(RECORDS, "link_header", fault=fault) as api:
        api.is_ndjson = True
        api.source(workspace)
        found = pull()
    assert "disk is nearly full" in found.message
    assert landed(workspace) == []


LINES = share(200_000, 400_000)
LINE = b'{"source_record_id": "r%09d", "source_patient_id": "p", "scope": "research", "status": "granted", "effective_at": "2025-01-01"}\n'


def test_a_body_larger_than_memory_is_never_held(workspace):
    """25 MB of NDJSON in one response (in the long mode 50), against a hundredth of it."""
    with Api(RECORDS, "link_header") as api:
        api.is_ndjson = True
        api.source(workspace)
        peaks = []
        for count in (LINES // 100, LINES):
            pieces = (b"".join(LINE % n for n in range(k, k + 1000)) for k in range(0, count, 1000))
            api.fault = lambda _a, _q, reply, pieces=pieces: setattr(reply, "pieces", pieces)
            child = subprocess.run(
                [sys.executable, "-c", PULL, str(workspace.root)], capture_output=True, text=True, check=True
            )
            records, peak = map(int, child.stdout.split())
            assert records == count
            peaks.append(peak)
    assert sum(path.stat().st_size for path in landed(workspace)) > LINES * 125
    assert peaks[1] - peaks[0] < 16_000, f"KB: {peaks}"


PULL = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from flows import pipeline
from flows.settings import open_workspace
(found,) = pipeline.pull(open_workspace(Path(sys.argv[1])), "platform", now=datetime.now(UTC)).lists
assert not found.message, found.message
print(found.record_count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_certificate_that_does_not_hold_is_refused_and_one_that_is_known_is_taken(
    workspace, pull, tmp_path, monkeypatch
):
    certified = certificate(tmp_path)
    with Api(RECORDS) as api:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certified)
        api.server.socket = context.wrap_socket(api.server.socket, server_side=True)
        api.url = api.url.replace("http://127.0.0.1", "https://localhost")
        api.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert "certificate" in found.message
        assert api.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certified))
        assert pull().record_count == 47
        # The name must be that of the certificate too.
        api.url = api.url.replace("localhost", "127.0.0.1")
        api.source(workspace)
        assert "certificate" in pull().message


def test_a_server_that_speaks_no_http(workspace, pull):
    with Api(RECORDS) as api, socket.create_server(("127.0.0.1", 0)) as other:
        import threading

        def rude():
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                connection.sendall(b"SECRET-PATIENT-1 says hello\r\n\r\n")
                connection.close()

        threading.Thread(target=rude, daemon=True).start()
        api.source(workspace, address=f"http://127.0.0.1:{other.getsockname()[1]}")
        assert pull().exit_code == 20


def test_what_was_begun_is_not_left_lying_about(workspace, pull):
    with Api(RECORDS, fault=on(3, cut)) as api:
        api.source(workspace, retries={"attempts": 1})
        pull()
        assert [
            path.name for path in workspace.folder("landing", "platform").iterdir() if path.name.startswith(".")
        ] == []
        assert bodies.MOST_DOCUMENT_BYTES == 64 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
