"""A Bulk Data pull that is killed at any instant or boundary ends when run again as if nothing had been."""

import json
import random
import signal
import threading
from collections import Counter

import pytest
from api_server import TOKEN, VARIABLE, landed
from crash import IS_LONG, finished, outcomes
from faultlog import tried
from fhir_server import FhirApi, observations

from flows.exports import state
from flows.settings import create_workspace

RECORDS = observations(42)
WANTED = Counter(json.dumps(record) for record in RECORDS)
RANDOM, BOUNDARIES = (50, 60) if IS_LONG else (3, 3)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


def run_to_its_end(workspace, api):
    code, said = finished(outcomes(workspace.root, "pull", "clinic"))
    assert code == 0, said
    assert "Traceback" not in said
    assert '"progress": null' in state.path_of(workspace, "clinic", "export").read_text()
    found = landed(workspace, "clinic")
    assert not [path for path in found if path.name.startswith(".")]
    assert Counter(line for path in found for line in path.read_text().splitlines()) == WANTED
    # One job, unless it died before it knew of it: then the server has another, which nobody asks for.
    assert len(api.jobs) <= 2


@pytest.mark.parametrize("seed", range(RANDOM))
def test_killed_at_any_instant(tmp_path, seed):
    chance = random.Random(seed)
    workspace = create_workspace(tmp_path / "ws")
    # One kick-off, three polls, five files.
    fatal, delay = chance.randint(1, 9), chance.choice([0, chance.uniform(0, 0.02)])
    with FhirApi(RECORDS) as api:
        api.bulk(workspace)

        def fault(_api, _asked, _reply):
            if len(api.asked) == fatal:
                threading.Timer(delay, process.kill).start()

        api.fault = fault
        process = outcomes(workspace.root, "pull", "clinic")
        code, said = finished(process)
        assert code in (-signal.SIGKILL, 0), said
        tried("kills of a pull", code == -signal.SIGKILL)
        api.fault = None
        run_to_its_end(workspace, api)
        if fatal > 1 and code:
            assert len(api.jobs) == 1


def test_killed_at_a_boundary(tmp_path):
    folder = tmp_path / "counted"
    events = tmp_path / "events.txt"
    workspace = create_workspace(folder)
    with FhirApi(RECORDS) as api:
        api.bulk(workspace)
        assert finished(outcomes(workspace.root, "pull", "clinic", mode="count", record_to=str(events)))[0] == 0
    numbers = [n for n, line in enumerate(events.read_text().splitlines(), start=1) if "flows.exports" in line]
    assert len(numbers) > 60
    for number in random.Random(1).sample(numbers, BOUNDARIES):
        workspace = create_workspace(tmp_path / f"at-{number}")
        with FhirApi(RECORDS) as api:
            api.bulk(workspace)
            code, said = finished(outcomes(workspace.root, "pull", "clinic", mode=str(number)))
            assert code in (-signal.SIGKILL, 0), said
            tried("kills of a pull", code == -signal.SIGKILL)
            run_to_its_end(workspace, api)
