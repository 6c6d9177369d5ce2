"""How pulls are watched, and the summary of a run: how many kills, hostile files and canaries were tried.

With xdist, workers hand theirs over.
"""

import http.server
import logging

import canonical
import faultlog
import pytest
from crash import Course
from protocols import PROTOCOLS, TOKEN

from flows import pipeline


@pytest.fixture(scope="session")
def course(ready):
    """Two commands, undisturbed, to which disturbed ones are compared."""
    return Course(ready)


@pytest.fixture(scope="session", autouse=True)
def _answers_are_sent_at_once():
    """The servers of the tests write the head and the body of an answer apart; where the kernel is to gather small pieces, the body
    waits 40 ms until the client has said that it has the head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http.server.BaseHTTPRequestHandler, "disable_nagle_algorithm", True)
        yield


@pytest.fixture(params=PROTOCOLS)
def protocol(request, monkeypatch):
    """Each protocol in turn, or those that a test names."""
    found = PROTOCOLS[request.param]
    monkeypatch.setenv(found.variable, TOKEN)
    return found


@pytest.fixture
def pulled(workspace, caplog, capfd):
    """Pulls a source that has one list.

    All that is said or kept anywhere but in what has landed holds no secret, no value of a person and no address with marks of
    records; nothing unfinished is left.
    """
    caplog.set_level(logging.DEBUG)
    said = []

    def once(source_name, now=canonical.NOW, **options):
        (found,) = pipeline.pull(workspace, source_name, now=now, **options).lists
        said.extend([found.message, *found.notes])
        faultlog.tried("API faults")
        return found

    yield once
    states = list(workspace.root.glob("pulls/*/*.json"))
    texts = [record.getMessage() for record in caplog.records]
    texts += [*said, *capfd.readouterr(), *map(str, workspace.root.rglob("*"))]
    assert not [text for text in texts if "SECRET" in text or "limit=" in text]
    assert not [path for path in states if "SECRET" in path.read_text()]
    assert {path.stat().st_mode & 0o777 for path in states} <= {0o600}
    assert not list(workspace.folder("landing").glob("*/.*"))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = dict(faultlog.counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    faultlog.counts.update(getattr(node, "workeroutput", {}).get("faults", {}))


def pytest_terminal_summary(terminalreporter):
    if faultlog.counts:
        tried = ", ".join(f"{number:,} {kind}" for kind, number in sorted(faultlog.counts.items()))
        failed = len(terminalreporter.stats.get("failed", []))
        terminalreporter.write_line(f"faults tried: {tried}; tests failed: {failed}")
