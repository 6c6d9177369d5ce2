"""Killed at any boundary of its own code, and at any instant, the plain command run again ends as if nothing had been."""

import random
import signal
import time

import pytest
from crash import IS_LONG, copied, deliver, end_state, finished, outcomes, rerun
from faultlog import tried

INGEST, REPORT = ("ingest",), ("report", "--on", "2025-12-31")


@pytest.fixture(scope="session")
def delivered(tmp_path_factory):
    return deliver(tmp_path_factory.mktemp("crash") / "delivered")


@pytest.fixture(scope="session")
def ingested(tmp_path_factory, delivered):
    root = copied(delivered, tmp_path_factory.mktemp("crash") / "ingested")
    rerun(root, INGEST)
    return root


@pytest.fixture(scope="session")
def boundaries(tmp_path_factory, delivered, ingested):
    """Of each command the events of an undisturbed run: for every distinct boundary, the first and the last of its kind."""
    found = {}
    for command, start in ((INGEST, delivered), (REPORT, ingested)):
        root = copied(start, tmp_path_factory.mktemp("crash") / "counted")
        events = root.with_name(f"{command[0]}.txt")
        assert finished(outcomes(root, *command, mode="count", record_to=str(events)))[0] in (0, 11)
        lines = events.read_text().splitlines()
        places = {}
        for number, line in enumerate(lines, start=1):
            places.setdefault(line, []).append(number)
        assert len(places) > 30
        found[command] = sorted({n for numbers in places.values() for n in (numbers[0], numbers[-1])})
    return found


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, ingested):
    root = copied(ingested, tmp_path_factory.mktemp("crash") / "undisturbed")
    after_ingest = end_state(root)
    rerun(root, REPORT)
    return {INGEST: after_ingest, REPORT: end_state(root)}


@pytest.fixture(scope="session")
def lasting(tmp_path_factory, delivered, ingested):
    """The seconds that a run of each command takes here."""
    found = {}
    for command, start in ((INGEST, delivered), (REPORT, ingested)):
        root = copied(start, tmp_path_factory.mktemp("crash") / "timed")
        begun = time.monotonic()
        rerun(root, command)
        found[command] = time.monotonic() - begun
    return found


# Each kill costs two runs of the command. The long mode takes every boundary.
SHARE = 8 if not IS_LONG else 400
RANDOM = 4 if not IS_LONG else 120


def numbers(boundaries, part, parts):
    chosen = boundaries if len(boundaries) <= parts else sorted(random.Random(parts).sample(boundaries, parts))
    return chosen[part::parts]


@pytest.mark.parametrize("part", range(SHARE))
@pytest.mark.parametrize("command", [INGEST, REPORT], ids=["ingest", "report"])
def test_killed_at_a_boundary(tmp_path, delivered, ingested, boundaries, undisturbed, command, part):
    start = delivered if command == INGEST else ingested
    for number in numbers(boundaries[command], part, SHARE):
        root = copied(start, tmp_path / f"at-{number}")
        code, said = finished(outcomes(root, *command, mode=str(number)))
        assert code in (-signal.SIGKILL, 0, 10, 11), said
        tried("kills at a boundary", code == -signal.SIGKILL)
        rerun(root, command)
        assert end_state(root) == undisturbed[command], f"killed at event {number}"


@pytest.mark.parametrize("seed", range(RANDOM))
@pytest.mark.parametrize("command", [INGEST, REPORT], ids=["ingest", "report"])
def test_killed_at_any_instant(tmp_path, delivered, ingested, lasting, undisturbed, command, seed):
    root = copied(delivered if command == INGEST else ingested, tmp_path / "any")
    process = outcomes(root, *command)
    # What comes too late is a run that was not killed.
    time.sleep(random.Random(seed).uniform(0, lasting[command]))
    process.kill()
    process.wait()
    tried("kills at any instant", process.returncode == -signal.SIGKILL)
    rerun(root, command)
    assert end_state(root) == undisturbed[command]
