"""Publish: analysts get a copy of the warehouse, exchanged by one atomic rename."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from flows.errors import PipelineError
from flows.settings import Workspace

_COPY = ["cp", "-c"] if sys.platform == "darwin" else ["cp", "--reflink=auto"]


def publish(workspace: Workspace, now: datetime, *, copies: int | None = None) -> Path:
    """Exchange the published file for a copy of the warehouse and keep a dated one; returns its path.

    Of the dated ones the last `copies` are kept, or as many as the settings say.

    The caller holds the writer lock and has closed its connection (closing checkpoints, so the file is whole). The copy is
    made by a child process: closing a descriptor of the live file in this one would drop DuckDB's own lock.
    """
    if workspace.warehouse.with_name(f"{workspace.warehouse.name}.wal").exists():
        # The last connection could not write its changes into the file itself; a copy would lack them.
        raise PipelineError(
            f"{workspace.warehouse}: what was committed last could not be written into it; is the disk full? Run the command again."
        )
    folder = workspace.folder("published")
    building = folder / ".outcomes.duckdb"
    # What a killed publish left may be linked to a dated copy: writing into it would change that one too.
    building.unlink(missing_ok=True)
    done = subprocess.run(
        [*_COPY, str(workspace.warehouse), str(building)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PipelineError(f"{folder}: the copy for analysts could not be written: {done.stderr.strip()}")
    building.chmod(0o600)
    sync(building)
    dated = folder / f"outcomes-{now:%Y-%m-%dT%H%M%SZ}.duckdb"
    dated.unlink(missing_ok=True)
    # A link, not a second copy: the published file is replaced as a whole and never written to.
    os.link(building, dated)
    building.replace(workspace.snapshot)
    sync(folder)
    kept = workspace.settings.snapshot_copies if copies is None else copies
    for old in sorted(folder.glob("outcomes-*.duckdb"))[: -kept or None]:
        old.unlink()
    return workspace.snapshot


def sync(path: Path) -> None:
    """Make a file or a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
