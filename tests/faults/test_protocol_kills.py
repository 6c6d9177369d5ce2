"""A pull of Bulk Data or of REDCap that is killed at any instant or boundary ends when run again as if nothing had been."""

import random
import signal
import threading
from collections import Counter

import pytest
from commands import finished, outcomes
from faultlog import tried
from modes import share

from flows.exports import state
from flows.settings import create_workspace

# Each costs two runs of the command. Of searches `test_pull_kills` has some: they are REST.
RANDOM, BOUNDARIES = share((3, 2), (50, 60))
# A kick-off, three polls and three files; the dictionary, the ids, three batches and the ids again.
REQUESTS = {"fhir-bulk": 7, "redcap": 6}


pytestmark = pytest.mark.parametrize("protocol", REQUESTS, indirect=True)


@pytest.fixture
def request_count(request):
    return REQUESTS[request.node.callspec.params["protocol"]]


def run_to_its_end(workspace, protocol, server, code):
    has_landed = protocol.landed_files(workspace)
    before = len([asked for asked in server.asked if protocol.brings(asked)])
    ended, said = finished(outcomes(workspace.root, "pull", protocol.source_name))
    assert ended == 0, said
    assert "Traceback" not in said
    kept = state.path_of(workspace, protocol.source_name, protocol.list_name)
    assert '"progress": null' in kept.read_text()
    assert not list(workspace.folder("landing", protocol.source_name).glob(".*"))
    assert protocol.landed_records(workspace) == protocol.wanted()
    # Each record is in one file: nothing landed twice under two names.
    found = protocol.landed_files(workspace)
    assert max(Counter(text for texts in found.values() for text in set(texts)).values()) == 1
    # What had landed is not asked for again, but for one answer that had landed when the state did not know yet.
    asked = len([one for one in server.asked if protocol.brings(one)]) - before
    if code and has_landed and len(has_landed) < protocol.answers:
        assert asked <= protocol.answers - len(has_landed) + 1
    # One job, unless it died before it knew of it: then the server has another, which nobody asks for.
    assert len(getattr(server, "jobs", ())) <= 2


@pytest.mark.parametrize("seed", range(RANDOM))
def test_killed_at_any_instant(tmp_path, protocol, request_count, seed):
    chance = random.Random(seed)
    workspace = create_workspace(tmp_path / "ws")
    fatal, delay = chance.randint(1, request_count), chance.choice([0, chance.uniform(0, 0.02)])
    with protocol.serve() as server:
        protocol.describe(server, workspace)

        def fault(_server, _asked, _reply):
            if len(server.asked) == fatal:
                threading.Timer(delay, process.kill).start()

        server.fault = fault
        process = outcomes(workspace.root, "pull", protocol.source_name)
        code, said = finished(process)
        assert code in (-signal.SIGKILL, 0), said
        tried("kills of a pull", code == -signal.SIGKILL)
        server.fault = None
        run_to_its_end(workspace, protocol, server, code)


def test_killed_at_a_boundary(tmp_path, protocol):
    events = tmp_path / "events.txt"
    workspace = create_workspace(tmp_path / "counted")
    with protocol.serve() as server:
        protocol.describe(server, workspace)
        counting = outcomes(workspace.root, "pull", protocol.source_name, mode="count", record_to=str(events))
        assert finished(counting)[0] == 0
    numbers = [n for n, line in enumerate(events.read_text().splitlines(), start=1) if "flows.exports" in line]
    assert len(numbers) > 60
    for number in random.Random(1).sample(numbers, BOUNDARIES):
        workspace = create_workspace(tmp_path / f"at-{number}")
        with protocol.serve() as server:
            protocol.describe(server, workspace)
            code, said = finished(outcomes(workspace.root, "pull", protocol.source_name, mode=str(number)))
            assert code in (-signal.SIGKILL, 0), said
            tried("kills of a pull", code == -signal.SIGKILL)
            run_to_its_end(workspace, protocol, server, code)
