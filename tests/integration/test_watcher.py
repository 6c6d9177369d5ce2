"""What the watcher says of a landing folder, and when. The server is a function that takes events or does not."""

import os
import threading
from datetime import UTC, datetime, timedelta

import canonical
import pytest
import standing

from deployments.watcher import Watcher
from flows import pipeline
from schemas.events import ExportLanded, SourceLate


class Server:
    def __init__(self):
        self.is_up, self.events = True, []

    def take(self, event):
        if self.is_up:
            self.events.append(event)
        return self.is_up


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def landing(workspace):
    return workspace.folder("landing", "canonical")


class Counting(Watcher):
    """A watcher that ticks fast, keeps what it says and counts how often it looks."""

    def __init__(self, workspace, send):
        self.said, self.looks = [], 0
        super().__init__(workspace, send, self.said.append, tick_seconds=0.1)

    def look(self):
        self.looks += 1
        super().look()


@pytest.fixture
def watcher(workspace, server):
    return Counting(workspace, server.take)


def landed(count):
    return ExportLanded(source_names=["canonical"], file_count=count)


def test_one_event_a_burst_and_none_for_what_was_announced(watcher, server, landing):
    for name in "abc":
        canonical.write_csv(landing / f"consent-{name}.csv", [standing.consent(name)])
    watcher.look()
    watcher.look()
    assert server.events == [landed(3)]
    canonical.write_csv(landing / "consent-b.csv", [standing.consent("other")])
    watcher.look()
    assert server.events == [landed(3), landed(1)]


@pytest.mark.parametrize(
    "name", [".consent-a.csv", "consent-a.csv.tmp", "consent-a.csv.part", "consent-a.csv.crdownload"]
)
def test_what_is_not_finished_is_not_announced(watcher, server, landing, name):
    canonical.write_csv(landing / name, [standing.consent("a")])
    (landing / "consent-link.csv").symlink_to(landing / name)
    watcher.look()
    assert server.events == []


def test_a_file_is_announced_once_it_has_stopped_growing(watcher, server, landing):
    path = landing / "consent-slow.csv"
    sizes = []
    stop = threading.Event()

    def grow():
        with path.open("w") as file:
            for number in range(15):
                file.write(f"{number}\n")
                file.flush()
                os.fsync(file.fileno())
                sizes.append(path.stat().st_size)
                stop.wait(0.1)

    writer = threading.Thread(target=grow)
    writer.start()
    while not sizes:
        stop.wait(0.01)
    watcher.look()
    assert len(sizes) == 15, "announced while it grew"
    writer.join()
    assert server.events == [landed(1)]


def test_what_a_server_did_not_take_is_said_again(watcher, server, landing):
    server.is_up = False
    canonical.write_csv(landing / "consent-a.csv", [standing.consent("a")])
    watcher.look()
    watcher.look()
    assert server.events == []
    assert watcher.said == ["the server does not answer; the event is sent again when it does"]
    server.is_up = True
    watcher.look()
    assert server.events == [landed(1)]


def test_what_waits_while_a_source_cannot_be_read_is_announced_once_it_can(watcher, server, workspace, landing):
    canonical.write_csv(landing / "consent-a.csv", [standing.consent("a")])
    broken = workspace.folder("sources") / "weekly.yaml"
    broken.write_text("name: weekly\nrhythm: sometimes\n")
    stop = threading.Event()
    running = threading.Thread(target=watcher.run, args=(stop,))
    running.start()
    try:
        standing.until(lambda: watcher.said, 20)
        # Said once, not at every look.
        standing.until(lambda: watcher.looks > 4, 20)
        assert running.is_alive()
        (said,) = watcher.said
        assert "weekly.yaml" in said
        broken.unlink()
        standing.until(lambda: server.events == [landed(1)], 20)
    finally:
        stop.set()
        running.join(20)


def test_it_looks_when_it_starts_and_whenever_something_lands(watcher, server, landing):
    canonical.write_csv(landing / "consent-before.csv", [standing.consent("before")])
    stop = threading.Event()
    running = threading.Thread(target=watcher.run, args=(stop,))
    running.start()
    try:
        standing.until(lambda: server.events == [landed(1)], 20)
        canonical.write_csv(landing / "consent-after.csv", [standing.consent("after")])
        standing.until(lambda: server.events == [landed(1), landed(1)], 20)
    finally:
        stop.set()
        running.join(20)
    assert not running.is_alive()


def test_a_source_that_is_late_is_announced_once(watcher, server, workspace):
    source = workspace.folder("sources") / "weekly.yaml"
    source.write_text(
        "name: weekly\ndescription: Comes every week\nfiles:\n  - {match: 'consent*.csv', feeds: [consent]}\nrhythm: 7 days\n"
    )
    path = canonical.write_csv(workspace.root / "consent-a.csv", [standing.consent("a")])
    ago = datetime.now(UTC) - timedelta(days=8)
    watcher.look_for_late()
    pipeline.ingest(workspace, [path], "weekly", now=ago)
    watcher.look_for_late()
    watcher.look_for_late()
    assert server.events == [SourceLate(source_name="weekly", rhythm="7 days", hours_since=192)]
    canonical.write_csv(path, [standing.consent("b")])
    pipeline.ingest(workspace, [path], "weekly", now=datetime.now(UTC))
    watcher.look_for_late()
    assert len(server.events) == 1
