"""The command in a process of its own that kills itself at a boundary of our code, or writes down the boundaries it passes.

The mode is `count`, which writes one line for every call and return of a function of the pipeline, and for every statement it
executes, to the file `record_to`, or the number of the event at which the process is killed; at 0 it runs to its end. The clock
stands still, so that two runs can be compared; OUTCOMES_TEST_CLOCK sets it.
"""

import ctypes
import importlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from flows import cli

WATCHED = ("flows.stages", "flows.pipeline", "flows.warehouse", "flows.audit", "flows.exports")


def run(
    mode: str,
    record_to: str,
    arguments: list[str],
    variables: dict[str, str],
    before: Callable[[], None] | None,
    streams: list[Connection],
) -> None:
    """The command with these arguments, environment variables and standard streams (in, out, errors). It ends the process."""
    for descriptor, stream in enumerate(streams):
        os.dup2(stream.fileno(), descriptor)
        stream.close()
    # What Python opened at its start belongs to the process that this one was forked from.
    sys.stdin, sys.stdout, sys.stderr = (
        open(descriptor, "r" if descriptor == 0 else "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        for descriptor in range(3)
    )
    os.environ.clear()
    os.environ.update(variables)
    if before is not None:
        before()
    command(mode, record_to, arguments)


def command(mode: str, record_to: str, arguments: list[str]) -> None:
    """The command in this process, its clock standing still."""
    clock = datetime.fromisoformat(os.environ.get("OUTCOMES_TEST_CLOCK", "2026-01-01T12:00:00+00:00"))
    cli._now = lambda: clock
    sys.argv = ["outcomes", *arguments]
    if mode != "0":  # a plain run is not slowed down
        _watch(mode, record_to)
    cli.main()


def _watch(mode: str, record_to: str) -> None:
    lock, passed = threading.Lock(), 0
    last = None if mode == "count" else int(mode)
    events = Path(record_to).open("w", encoding="utf-8") if mode == "count" else None  # noqa: SIM115  open until the process ends

    def watch(frame, event, argument):
        nonlocal passed
        # At the end of the process modules lose their names.
        if event not in ("call", "return", "c_call") or not (frame.f_globals.get("__name__") or "").startswith(WATCHED):
            return
        if event == "c_call":
            if getattr(argument, "__name__", "") not in ("execute", "executemany"):
                return
            event = f"line {frame.f_lineno} executes"
        with lock:
            passed += 1
            if events is not None:
                events.write(f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname} {event}\n")
                events.flush()
            elif passed == last:
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)


def dying_in(place: str) -> None:
    """Whoever calls that function, named by its module and itself, is killed there."""
    module, _, name = place.rpartition(".")
    setattr(importlib.import_module(module), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))


def without_room(kilobytes: int) -> None:
    """No file of this process may grow beyond that: a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))


def without_privileges() -> None:
    """Root may write anywhere; without these capabilities it is bound like anybody, and so is whatever it starts."""
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the call, this process
    held = (ctypes.c_uint32 * 6)()
    libc.capget(header, held)
    drop_from_bounding_set = 24
    for override in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
        libc.prctl(drop_from_bounding_set, override, 0, 0, 0)
        for place in range(3):
            held[place] &= ~(1 << override)
    libc.capset(header, held)
