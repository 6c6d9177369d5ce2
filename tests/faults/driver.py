"""The command in a process of its own that kills itself at a boundary of our code, or writes down the boundaries it passes.

`driver.py MODE RECORD ARGUMENT…`: MODE is `count`, which writes one line for every call and return of a function of the
pipeline to the file RECORD, or the number of the event at which the process is killed; at 0 it runs to its end. The clock stands still, so that two
runs can be compared; OUTCOMES_FAULT_CLOCK sets it.
"""

import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path

from flows import cli

WATCHED = ("flows.stages", "flows.pipeline", "flows.warehouse", "flows.audit")


def main() -> None:
    mode, record, *arguments = sys.argv[1:]
    clock = datetime.fromisoformat(os.environ.get("OUTCOMES_FAULT_CLOCK", "2026-01-01T12:00:00+00:00"))
    cli._now = lambda: clock
    sys.argv = ["outcomes", *arguments]
    lock, passed = threading.Lock(), 0
    last = None if mode == "count" else int(mode)
    events = Path(record).open("w", encoding="utf-8") if mode == "count" else None  # noqa: SIM115  open until the process ends

    def watch(frame, event, _argument):
        nonlocal passed
        # At the end of the process modules lose their names.
        if event not in ("call", "return") or not (frame.f_globals.get("__name__") or "").startswith(WATCHED):
            return
        with lock:
            passed += 1
            if events is not None:
                events.write(f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname} {event}\n")
                events.flush()
            elif passed == last:
                os.kill(os.getpid(), signal.SIGKILL)

    if last != 0:  # a plain run is not slowed down
        threading.setprofile(watch)
        sys.setprofile(watch)
    cli.main()


main()
