"""Workspaces that are made once a run, whichever test asks first, and copied by all."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from flows.settings import create_workspace, open_workspace
from flows.warehouse import warehouse, writing


def empty(root: Path) -> None:
    """A workspace with an empty warehouse, without Data Docs, which take longer than all else; `test_audit` looks at those."""
    create_workspace(root)
    (root / "outcomes.toml").write_text("data_docs = false\n")
    workspace = open_workspace(root)
    with writing(workspace, "test"), warehouse(workspace):
        pass


class Ready:
    """What was made once for all workers of a run, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """The folder of that name, which `make` has filled. It is for all: copy it, or only read."""
        root, done = self._folder / name, self._folder / f"{name}.done"
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                make(root)
                done.touch()
        return root

    def copy(self, name: str, to: Path, make: Callable[[Path], object]) -> Path:
        """A copy of it for a test of its own."""
        return copied(self.made(name, make), to)


def copied(root: Path, to: Path) -> Path:
    """The workspace in another place, links and times as they were."""
    subprocess.run(["cp", "-a", *(["--reflink=auto"] if sys.platform == "linux" else ["-c"]), root, to], check=True)
    return to
