"""Drills on a standing installation: parts are killed, events lost; what lands is admitted once and reported on all the same."""

import re
import signal
import time
from datetime import UTC, datetime
from itertools import chain

import faultlog
import pytest
from modes import IS_LONG, long_only, share
from standing import kill, until

SECONDS = 240  # a bound for a test that hangs, not a measure


class Burst:
    """The files of a drill: some land before the fault, the rest after it."""

    def __init__(self, standing, name):
        self.standing = standing
        self.names = [f"{name}-{n}" for n in range(30)]
        self.rest = self.names[10:]
        self.begun = datetime.now(UTC)
        standing.drop(self.names[:10])

    def also(self, words):
        """One more file lands."""
        self.names.append(f"{self.names[0]}-{words}")
        self.standing.drop(self.names[-1:])

    def land_the_rest(self):
        rest, self.rest = self.rest, []
        self.standing.drop(rest)


@pytest.fixture(scope="module")
def end(standing):
    """After the last drill: each file was admitted once, a report has seen them, and nothing is left over. In the long mode
    after each."""

    def is_settled():
        return standing.is_idle() and standing.is_reported()

    def check():
        try:
            until(is_settled, 30)
        except AssertionError:
            # The event that asks for a report was lost: the schedule's sweep, which is at most 15 minutes away, comes now.
            standing.sweep()
            until(is_settled, SECONDS, standing.told)
        assert set(standing.taken().values()) == {1}
        rows = standing.published("SELECT count(*), count(DISTINCT record_id) FROM history.consent")
        assert rows == [(len(standing.taken()),) * 2]
        assert not [path for path in standing.landing.iterdir() if path.suffix == ".csv"]
        until(lambda: standing.taken_slots() == [], SECONDS, standing.taken_slots)

    yield check
    check()


@pytest.fixture
def burst(standing, end, request):
    """Lands files of this drill; at the end each was admitted once, whatever has happened in between, and no sweep was needed."""
    found = Burst(standing, "-".join(re.findall(r"\w+", request.node.name)))
    yield found
    faultlog.tried("drills")
    if standing.process.poll() is not None:
        standing.start()
    found.land_the_rest()
    until(lambda: standing.has_taken(found.names), SECONDS, standing.told)
    assert {standing.taken()[name] for name in found.names} == {1}
    if IS_LONG:
        end()


def ingest_begins(standing, burst):
    """Wait until a run that will find the files of this drill has a process and is not done; its process id."""
    until(lambda: running(standing, burst), SECONDS, standing.told)
    return running(standing, burst)


def running(standing, burst):
    return next(
        (
            int(run["infrastructure_pid"])
            for run in standing.runs("ingest")
            if run["state_type"] == "RUNNING" and datetime.fromisoformat(run["start_time"]) > burst.begun
        ),
        None,
    )


def the_worker_is_killed_in_mid_run(standing, burst):
    # Its run goes on without it; what waits behind that is the next worker's.
    ingest_begins(standing, burst)
    kill(standing.part("worker start"))


def the_server_is_killed_during_a_burst(standing, burst):
    ingest_begins(standing, burst)
    kill(standing.part("deployments.server"))
    burst.also("meanwhile")


def an_event_is_lost(standing, burst):
    # The watcher is gone before it has looked; the one that follows is told of nothing, but looks by itself.
    burst.land_the_rest()
    kill(standing.part("deployments.watcher"))


def files_land_while_everything_is_down(standing, burst):
    # As a power cut: the command first, so that nobody stops the parts in order.
    kill(standing.process.pid)
    standing.process.wait()
    burst.also("in-the-dark")


def everything_is_stopped_in_mid_run(standing, burst):
    ingest_begins(standing, burst)
    standing.stop(signal.SIGINT)


def a_run_dies_with_its_worker(standing, burst):
    run = ingest_begins(standing, burst)
    kill(standing.part("worker start"))
    kill(run)
    # Nobody is left to say that the run has ended: whoever starts the next worker does.
    until(lambda: [run for run in standing.runs("ingest") if run["state_name"] == "Crashed"], SECONDS, standing.told)


def server_worker_and_run_die_together(standing, burst):
    run = ingest_begins(standing, burst)
    for pid in (run, standing.part("worker start"), standing.part("deployments.server")):
        kill(pid)
    # Again, for the same reason as where the server alone is killed.
    standing.sweep()


# In the default mode one fault upon the other, since each burst costs half a minute; in the long one each by itself, and those
# after which all parts have to start again.
TOGETHER = [
    [the_worker_is_killed_in_mid_run, the_server_is_killed_during_a_burst],
    [an_event_is_lost, files_land_while_everything_is_down],
]
ALONE = [
    *chain(*TOGETHER),
    everything_is_stopped_in_mid_run,
    a_run_dies_with_its_worker,
    server_worker_and_run_die_together,
]


@pytest.mark.parametrize(
    "faults",
    share(TOGETHER, [[fault] for fault in ALONE]),
    ids=lambda faults: " and ".join(fault.__name__.replace("_", " ") for fault in faults),
)
def test_drill(standing, burst, faults):
    for fault in faults:
        fault(standing, burst)


@long_only("a thousand files take a minute")
def test_a_thousand_files_land_at_once(standing, burst):
    before = len(standing.runs("report"))
    standing.drop([f"many-{n}" for n in range(1000)])
    begun = time.monotonic()
    until(lambda: sum(name.startswith("many-") for name in standing.taken()) == 1000, SECONDS, standing.told)
    print(f"1,000 files admitted after {time.monotonic() - begun:.0f} s")
    until(standing.is_reported, SECONDS, standing.told)
    assert len(standing.runs("report")) <= before + 2
