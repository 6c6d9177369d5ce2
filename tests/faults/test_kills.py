"""Killed at any boundary of its own code, and at any instant, the plain command run again ends as if nothing had been."""

import random
import signal
import time

import pytest
from commands import finished, outcomes
from crash import INGEST, REPORT, end_state, rerun
from faultlog import tried
from modes import IS_LONG, share
from ready import copied

# Each kill costs two runs of the command. The long mode takes every boundary, in so many parts; the default one these, which are on
# the way of the data: between what one stage has left behind for good and what the next begins.
PARTS, RANDOM = 400, share(1, 120)
WAY = {
    INGEST: {
        "prepared": "flows.stages.prepare._replace call",
        "judged": "flows.stages.gate.judge return",
        "in the transaction": "flows.stages.admit._record_file return",
        "committed": "flows.stages.publish.publish call",
        "published": "flows.stages.land.archive call",
    },
    REPORT: {
        "building": "flows.stages.build.create return",
        "in the transaction": "flows.stages.release._store return",
        "committed": "flows.stages.publish.publish call",
        "published": "flows.warehouse.snapshot call",
    },
}
CASES = [
    pytest.param(command, place, id=f"{command[0]}-{place}")
    for command in (INGEST, REPORT)
    for place in (range(PARTS) if IS_LONG else WAY[command])
]


def numbers(command, events, place):
    """The events at which to kill. In the long mode every part has its share of the first and the last of every distinct boundary."""
    places = {}
    for number, line in enumerate(events, start=1):
        places.setdefault(line, []).append(number)
    assert len(places) > 30
    if not IS_LONG:
        found = places[WAY[command][place]]
        return [found[len(found) // 2]]
    return sorted({n for found in places.values() for n in (found[0], found[-1])})[place::PARTS]


@pytest.mark.parametrize(("command", "place"), CASES)
def test_killed_at_a_boundary(tmp_path, course, command, place):
    for number in numbers(command, course.events(command), place):
        root = copied(course.before(command), tmp_path / f"at-{number}")
        code, said = finished(outcomes(root, *command, mode=str(number)))
        assert code == -signal.SIGKILL or (IS_LONG and code in (0, 10, 11)), said
        tried("kills at a boundary", code == -signal.SIGKILL)
        rerun(root, command)
        assert end_state(root) == course.end(command), f"killed at event {number}"


@pytest.mark.parametrize("seed", range(RANDOM))
@pytest.mark.parametrize("command", [INGEST, REPORT], ids=["ingest", "report"])
def test_killed_at_any_instant(tmp_path, course, command, seed):
    root = copied(course.before(command), tmp_path / "any")
    seconds = random.Random(seed).uniform(0, course.seconds(command))
    process = outcomes(root, *command)
    # What comes too late is a run that was not killed.
    time.sleep(seconds)
    process.kill()
    process.wait()
    tried("kills at any instant", process.returncode == -signal.SIGKILL)
    rerun(root, command)
    assert end_state(root) == course.end(command)
