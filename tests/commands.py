"""The command `outcomes` in a process of its own, forked from one that has imported what takes seconds to import."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import driver

# Not forked from the test's own process, which has threads: from one that does nothing but import and fork.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["driver", "flows.audit", "flows.pages.report"])


class Command:
    """The command under the driver. Once it was waited for, `out` and `err` are what it printed, `returncode` how it ended."""

    def __init__(
        self,
        arguments: Sequence[str],
        mode: str,
        record_to: str,
        env: dict[str, str] | None,
        before: Callable[[], None] | None,
        given: str,
    ) -> None:
        theirs_in, ours_in = _FORKS.Pipe(duplex=False)
        ours_out, theirs_out = _FORKS.Pipe(duplex=False)
        ours_err, theirs_err = _FORKS.Pipe(duplex=False)
        theirs = [theirs_in, theirs_out, theirs_err]
        variables = dict(os.environ if env is None else env)
        self._process = _FORKS.Process(
            target=driver.run, args=(mode, record_to, list(arguments), variables, before, theirs)
        )
        self._process.start()
        for stream in theirs:
            stream.close()
        with ours_in:
            os.write(ours_in.fileno(), given.encode())
        self.out = self.err = ""
        self._listeners = [
            threading.Thread(target=self._listen, args=(name, stream), daemon=True)
            for name, stream in (("out", ours_out), ("err", ours_err))
        ]
        for listener in self._listeners:
            listener.start()

    def _listen(self, name: str, connection: Connection) -> None:
        with connection, open(connection.fileno(), "rb", closefd=False) as said:
            setattr(self, name, said.read().decode(errors="replace"))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float = 120) -> Command:
        """Itself, ended. Raises TimeoutError, having killed it, if it hangs."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"{self._process.pid} was not done after {seconds} s")
        for listener in self._listeners:
            listener.join(seconds)
        return self


def outcomes(
    root: Path,
    *arguments: object,
    mode: str = "0",
    record_to: str = os.devnull,
    env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
    given: str = "",
) -> Command:
    """Start the command in a workspace.

    `mode` and `record_to` are the driver's; `before` is called in its process first; `given` is what it reads.
    """
    return Command(["--workspace", str(root), *map(str, arguments)], mode, record_to, env, before, given)


def finished(command: Command) -> tuple[int, str]:
    """Exit code and all that was printed; a run that hangs fails."""
    command.wait()
    return command.returncode, command.out + command.err
