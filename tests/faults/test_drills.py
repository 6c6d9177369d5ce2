"""Drills on a standing installation: parts are killed, events lost; what lands is admitted once and reported on all the same."""

import os
import re
import signal
import time

import faultlog
import pytest
from standing import kill, until

IS_LONG = os.environ.get("OUTCOMES_FAULTS") == "long"
SECONDS = 240  # a bound for a test that hangs, not a measure

long_only = pytest.mark.skipif(not IS_LONG, reason="part of `make faults`")


@pytest.fixture
def burst(standing, request):
    """Lands files of this drill; at the end each was admitted once, a report has seen them, and nothing is left over."""
    names = [f"{request.node.name.replace('_', '-')}-{n}" for n in range(30)]
    standing.drop(names[:10])
    yield names
    faultlog.tried("drills")
    if standing.process.poll() is not None:
        standing.start()
    standing.drop(names[10:])
    # The schedule's sweep, which is at most 15 minutes away, comes now.
    standing.sweep()
    until(lambda: standing.has_taken(names), SECONDS, standing.told)
    until(standing.is_reported, SECONDS, standing.told)
    until(standing.is_idle, SECONDS, standing.told)
    assert set(standing.taken().values()) == {1}
    rows = standing.published("SELECT count(*), count(DISTINCT record_id) FROM history.consent")
    assert rows == [(len(standing.taken()),) * 2]
    assert not [path for path in standing.landing.iterdir() if path.suffix == ".csv"]
    until(lambda: standing.taken_slots() == [], SECONDS, standing.taken_slots)


def ingest_begins(standing):
    """Wait until a run has a process and is not done; its process id."""
    until(lambda: running(standing), SECONDS, standing.told)
    return running(standing)


def running(standing):
    return next(
        (int(run["infrastructure_pid"]) for run in standing.runs("ingest") if run["state_type"] == "RUNNING"), None
    )


def test_the_server_is_killed_during_a_burst(standing, burst):
    ingest_begins(standing)
    kill(standing.part("deployments.server"))
    standing.drop([f"{burst[0]}-meanwhile"])


def test_the_worker_is_killed_in_mid_run(standing, burst):
    ingest_begins(standing)
    kill(standing.part("worker start"))


def test_an_event_is_lost(standing, burst):
    # The watcher is gone before it has looked; the one that follows is told of nothing that it did not see land.
    kill(standing.part("deployments.watcher"))


def test_files_land_while_everything_is_down(standing, burst):
    # As a power cut: the command first, so that nobody stops the parts in order.
    kill(standing.process.pid)
    standing.process.wait()
    standing.drop([f"{burst[0]}-in-the-dark"])


def test_everything_is_stopped_in_mid_run(standing, burst):
    ingest_begins(standing)
    begun = len(standing.said())
    assert standing.stop(signal.SIGINT) == 0
    assert re.findall(r"(\w+) +stopped", standing.said()[begun:]) == ["watcher", "worker", "server"]


@long_only
def test_a_run_dies_with_its_worker(standing, burst):
    run = ingest_begins(standing)
    kill(standing.part("worker start"))
    kill(run)
    # Nobody is left to say that the run has ended: whoever starts the next worker does.
    until(lambda: [run for run in standing.runs("ingest") if run["state_name"] == "Crashed"], SECONDS, standing.told)


@long_only
def test_server_worker_and_run_die_together(standing, burst):
    run = ingest_begins(standing)
    for pid in (run, standing.part("worker start"), standing.part("deployments.server")):
        kill(pid)
    time.sleep(1)


@long_only
def test_a_thousand_files_land_at_once(standing, burst):
    before = len(standing.runs("report"))
    standing.drop([f"many-{n}" for n in range(1000)])
    begun = time.monotonic()
    until(lambda: sum(name.startswith("many-") for name in standing.taken()) == 1000, SECONDS, standing.told)
    print(f"1,000 files admitted after {time.monotonic() - begun:.0f} s")
    until(standing.is_reported, SECONDS, standing.told)
    assert len(standing.runs("report")) <= before + 2
