"""The watcher: says that files have come to rest in landing, and which sources are late.

It says so once a burst, and again only if the server did not take it. What is announced is taken by an ingest that looks at the
folder itself, so an event too many or too few does no harm.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from watchfiles import watch as changes_in

from flows.announcing import announce
from flows.errors import PipelineError, UsageError
from flows.settings import Workspace, open_workspace
from flows.stages import land
from flows.status import late_sources
from schemas.events import Event, ExportLanded, SourceLate

# A file is at rest when two looks, this far apart, find it the same.
_LOOK_SECONDS = 0.5
# What is written to for longer is announced by a later look; others need not wait for it.
_LONGEST_WAIT_SECONDS = 10.0
_LATE_EVERY_SECONDS = 600.0

Stamp = tuple[int, int, int]


class Watcher:
    """Looks at the landing folder of a workspace; `send` hands an event over and says whether it arrived.

    An event that did not arrive is sent again after `tick_seconds`, and a source file that could not be read is read again.
    """

    def __init__(
        self,
        workspace: Workspace,
        send: Callable[[Event], bool],
        say: Callable[[str], None],
        tick_seconds: float = 2.0,
    ) -> None:
        self._workspace = workspace
        self._send = send
        self._say = say
        self._tick_seconds = tick_seconds
        self._announced: dict[Path, Stamp] = {}
        self._late: set[str] = set()
        self._is_deaf = False
        self._fault = ""
        self._late_again_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set. The first look is at what lies there already."""
        landing = self._workspace.folder("landing")
        self._look_again(True)
        for changes in changes_in(
            landing,
            debounce=1_000,
            step=100,
            rust_timeout=round(self._tick_seconds * 1_000),
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
        ):
            self._look_again(bool(changes))

    def _look_again(self, has_changed: bool) -> None:
        """Look where something has changed or an earlier look has failed, and now and then for sources that are late."""
        try:
            if has_changed or self._is_deaf or self._fault:
                self.look()
            if time.monotonic() > self._late_again_at:
                self.look_for_late()
                self._late_again_at = time.monotonic() + _LATE_EVERY_SECONDS
            self._fault = ""
        except (PipelineError, OSError) as error:
            # A source file that is being edited, a folder that is gone for a moment: what lies in landing then is looked at
            # again until it is mended, which no change in landing would tell.
            if str(error) != self._fault:
                self._say(str(error))
            self._fault = str(error)

    def look(self) -> None:
        """Announce what is at rest and was not announced as it is now."""
        resting = self._at_rest()
        new = {path: stamp for path, (stamp, _) in resting.items() if self._announced.get(path) != stamp}
        self._announced = {path: stamp for path, stamp in self._announced.items() if path in resting}
        if not new:
            self._is_deaf = False
            return
        names = sorted({resting[path][1] for path in new})
        if self._sent(ExportLanded(source_names=names, file_count=len(new))):
            self._announced |= new
            self._say(f"{len(new):,} landed of {', '.join(names)}")

    def look_for_late(self) -> None:
        """Announce each source once when it becomes late."""
        late = {source.source_name: source for source in late_sources(self._workspace, datetime.now(UTC))}
        for name in sorted(set(late) - self._late):
            source = late[name]
            if self._sent(SourceLate(source_name=name, rhythm=source.rhythm, hours_since=source.hours_since)):
                self._late.add(name)
                self._say(f"{name} is late: nothing for {source.hours_since:,} hours")
        self._late &= set(late)

    def _sent(self, event: Event) -> bool:
        arrived = self._send(event)
        if not arrived and not self._is_deaf:
            self._say("the server does not answer; the event is sent again when it does")
        self._is_deaf = not arrived
        return arrived

    def _at_rest(self) -> dict[Path, tuple[Stamp, str]]:
        deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
        before = self._look_once()
        while before:
            time.sleep(_LOOK_SECONDS)
            now = self._look_once()
            if now == before or time.monotonic() > deadline:
                return {path: found for path, found in now.items() if before.get(path) == found}
            before = now
        return {}

    def _look_once(self) -> dict[Path, tuple[Stamp, str]]:
        found = {}
        known = land.known_sources(self._workspace.root / "sources")
        for landed in land.pending(self._workspace, known):
            try:
                about = landed.path.stat()
            except FileNotFoundError:  # an ingest was faster
                continue
            found[landed.path] = ((about.st_ino, about.st_size, about.st_mtime_ns), landed.source_name)
        return found


def main() -> None:
    """`python -m deployments.watcher`: watch the workspace OUTCOMES_WORKSPACE, tell the server at PREFECT_API_URL."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        workspace = open_workspace(Path(_required("OUTCOMES_WORKSPACE")))
        api_url = _required("PREFECT_API_URL")

        def say(sentence: str) -> None:
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {sentence}", flush=True)

        Watcher(workspace, lambda event: announce(api_url, workspace.root.name, event), say).run(stop)
    except PipelineError as error:
        print(f"watcher: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _required(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise UsageError(f"{variable} is not set.")
    return value


if __name__ == "__main__":
    main()
