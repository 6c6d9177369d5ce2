"""Write a sheet where the caller says, and leave no copy in the workspace."""

from __future__ import annotations

import os
from pathlib import Path

from flows.errors import UsageError
from flows.settings import Workspace


def refuse_place(workspace: Workspace, path: Path) -> None:
    """Raise UsageError if the file exists, its folder does not, or it would lie in the workspace.

    What lies there is published, backed up and searched when somebody is forgotten: a page of one person has no place in it.
    """
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder.")
    # By identity, not by name: links and letters' case do not matter.
    if any(parent.samefile(workspace.root) for parent in (folder.resolve(), *folder.resolve().parents)):
        raise UsageError(
            f"{path}: lies in the workspace, where no copy of a member's page is kept. Name a place outside it."
        )
    if os.path.lexists(path):
        raise UsageError(f"{path}: exists already and is not overwritten. Name another file, or delete it first.")


def write_sheet(workspace: Workspace, path: Path, text: str) -> None:
    """The text in a new file that only its owner can read. Raises what `refuse_place` raises; half a file is never left."""
    refuse_place(workspace, path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{path}: exists already and is not overwritten.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
