"""Whatever is pulled, by whichever protocol, and whatever its server does in mid-run: the end is that of a server which behaves, or
one clear error, nothing lost, and the next pull goes on behind what has landed.
"""

import ssl
from functools import partial

import pytest
from certificates import certificate
from misbehaviour import HEALING, page_for_people, pointing_to, status, trickling
from protocols import PROTOCOLS, TOKEN

from flows.errors import PipelineError
from flows.exports import state

QUICK = {"timeout_seconds": 0.4, "retries": {"first_seconds": 0.01, "attempts": 2}}


@pytest.fixture(scope="module")
def servers():
    """One server for each protocol, and another that nobody has a reason to ask."""
    found = {name: protocol.serve() for name, protocol in PROTOCOLS.items()}
    found["other"] = PROTOCOLS["rest"].serve()
    yield found
    for server in found.values():
        server.__exit__()


@pytest.fixture
def server(servers, protocol, request):
    """The protocol's server as if it were new."""
    found = servers[request.node.callspec.params["protocol"]]
    found.asked.clear()
    found.fault, found.clock = None, type(found.clock)(2025, 12, 31, 12, tzinfo=found.clock.tzinfo)
    if hasattr(found, "jobs"):
        found.jobs.clear()
        found.working = found.working[:1]
    if hasattr(found, "token"):
        found.token, found.token_count = TOKEN, 0
    servers["other"].asked.clear()
    return found


@pytest.fixture
def pull(pulled, protocol):
    return partial(pulled, protocol.source_name)


def brought(server, protocol):
    return len([asked for asked in server.asked if protocol.brings(asked)])


def second(protocol, change, *, always=False):
    """A fault of the second answer that brings records; or of that one and all behind it."""

    def fault(server, asked, reply):
        number = brought(server, protocol)
        if protocol.brings(asked) and (number >= 2 if always else number == 2):
            change(reply)

    return fault


def goes_on(workspace, server, protocol, pull):
    """The first answer has landed and no other; the next pull asks only for what has not, and all is there."""
    assert len(protocol.landed_records(workspace)) < len(protocol.records)
    assert state.path_of(workspace, protocol.source_name, protocol.list_name).exists()
    server.fault, before = None, brought(server, protocol)
    found = pull()
    assert (found.exit_code, found.message) == (0, "")
    assert brought(server, protocol) - before == protocol.answers - 1
    assert protocol.landed_records(workspace) == protocol.wanted()


@pytest.mark.parametrize(
    "name", ["429-seconds", "503", "no-answer", "late", "cut", "cut-without-a-length", "packed-and-cut", "rubbish"]
)
def test_what_heals_is_asked_for_again(workspace, server, protocol, pull, name):
    server.fault = second(protocol, HEALING[name])
    protocol.describe(server, workspace, **QUICK)
    found = pull()
    assert (found.exit_code, found.message) == (0, "")
    assert protocol.landed_records(workspace) == protocol.wanted()


LASTING = {
    "busy": (status(429, Retry_After="0"), "answers 429"),
    "down": (status(500), "answers 500"),
    "a-year": (status(503, Retry_After="31536000"), "31,536,000 seconds"),
    "late": (HEALING["late"], "does not answer in time"),
    "trickling": (trickling, "sends its body too slowly"),
    "cut": (HEALING["cut"], "breaks off"),
    "refused": (status(403), "refuses the credentials"),
    "html": (page_for_people, "page for people"),
    "html-by-name": (status(200, Content_Type="text/html"), "page for people"),
}


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_one_clear_error_and_the_next_pull_goes_on(workspace, server, protocol, pull, name, monkeypatch):
    monkeypatch.setattr("flows.exports.streams._SLOW_TIMEOUTS", 0.5)
    change, words = LASTING[name]
    server.fault = second(protocol, change, always=True)
    protocol.describe(server, workspace, **QUICK)
    found = pull()
    assert found.exit_code in (10, 20)
    assert words in found.message
    goes_on(workspace, server, protocol, pull)


def test_another_server_is_not_asked_and_never_shown_who_asks(workspace, server, servers, protocol, pull):
    server.fault = second(protocol, pointing_to(f"{servers['other'].url}/v1/consents"), always=True)
    protocol.describe(server, workspace, **QUICK)
    found = pull()
    assert found.exit_code == 10
    assert "another server" in found.message
    assert servers["other"].asked == []
    goes_on(workspace, server, protocol, pull)


# A token of REDCap does not expire; one that is withdrawn is refused.
@pytest.mark.parametrize("protocol", ["rest", "fhir-search", "fhir-bulk"], indirect=True)
def test_a_token_that_expires_in_mid_run(workspace, server, protocol, pull):
    def expires(reply):
        server.token, reply.status = "another", 401

    server.fault = second(protocol, expires)
    oauth = {"kind": "oauth2", "token_address": f"{server.url}/token", "client_id": "us", "secret": protocol.variable}
    protocol.describe(server, workspace, **QUICK, authentication=oauth)
    assert pull().exit_code == 0
    assert server.token_count == 2
    assert protocol.landed_records(workspace) == protocol.wanted()


def test_a_full_disk_is_one_clear_error_and_the_next_pull_goes_on(workspace, server, protocol, pull, monkeypatch):
    """Between two small answers: the room is looked at before each, not only within large ones."""
    protocol.describe(server, workspace, **QUICK)

    def full(reply):
        monkeypatch.setattr("flows.exports.pulling.shutil.disk_usage", lambda _: type("", (), {"free": 1})())

    server.fault = second(protocol, full)
    found = pull()
    assert found.exit_code == PipelineError.exit_code
    assert "disk is nearly full" in found.message
    monkeypatch.undo()
    monkeypatch.setenv(protocol.variable, TOKEN)
    goes_on(workspace, server, protocol, pull)


# The files of Bulk Data are NDJSON, of which a line is held at a time.
@pytest.mark.parametrize("protocol", ["rest", "fhir-search", "redcap"], indirect=True)
def test_a_body_that_is_too_large_for_one_document_names_what_to_change(workspace, server, protocol, pull, monkeypatch):
    for module in ("rest", "redcap"):
        monkeypatch.setattr(f"flows.exports.{module}.MOST_DOCUMENT_BYTES", 1 << 20)
    sent = []

    def large(reply):
        reply.pieces = (sent.append(1) or b" " * (1 << 20) for _ in range(64))

    server.fault = second(protocol, large, always=True)
    protocol.describe(server, workspace, **QUICK)
    found = pull()
    assert found.exit_code == 10
    assert ("batch_records" if protocol.source_name == "study" else "page_size") in found.message
    assert len(sent) < 32
    goes_on(workspace, server, protocol, pull)


def test_a_certificate_that_does_not_hold_is_refused(workspace, server, protocol, pull, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with protocol.serve() as untrusted:
        untrusted.server.socket = context.wrap_socket(untrusted.server.socket, server_side=True)
        untrusted.url = untrusted.url.replace("http://127.0.0.1", "https://localhost")
        protocol.describe(untrusted, workspace, **QUICK)
        found = pull()
        assert found.exit_code == 10
        assert "certificate" in found.message
        assert untrusted.asked == []
