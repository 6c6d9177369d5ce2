"""Where the pulls of a list stand: the time from which changes are asked for next, and the place of one that was not finished."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.errors import TransientError
from flows.exports.export import Place
from flows.exports.files import put, whole_file
from flows.settings import Workspace

_FOLDER = "pulls"


@dataclass(frozen=True)
class Progress:
    """A pull that has begun: all before `place` has landed. `clock` is the server's when it began."""

    place: Place | None
    since: datetime | None = None
    page_count: int = 0
    record_count: int = 0
    restart_count: int = 0
    clock: datetime | None = None
    latest: datetime | None = None
    total: int | None = None


@dataclass(frozen=True)
class State:
    """What is known of a list between two pulls."""

    list_mark: str
    place_mark: str
    since: datetime | None = None
    progress: Progress | None = None


def load(path: Path, list_mark: str, place_mark: str) -> State:
    """The state as it was kept; without what no longer holds since the source's YAML was changed.

    A file that cannot be read counts as none: the list is read from its beginning, and what is known already is recognised.
    """
    fresh = State(list_mark, place_mark)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        progress = kept["progress"]
        if progress is not None:
            times = {name: _at(progress[name]) for name in ("since", "clock", "latest")}
            progress = Progress(**{**progress, **times})
        found = State(kept["list_mark"], kept["place_mark"], _at(kept["since"]), progress)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return fresh
    if found.list_mark != list_mark:
        return fresh
    return found if found.place_mark == place_mark else replace(fresh, since=found.since)


def save(path: Path, state: State) -> None:
    """Keep the state; the file holds the old or the new one if the process dies.

    Should the machine die, an unfinished pull may go on from an earlier place, which does no harm: what a state speaks of has
    landed, and is on the disk, before.
    """
    temporary, is_durable = path.with_name(f".{path.name}.tmp"), state.progress is None
    with whole_file(temporary, is_durable=is_durable) as file:
        file.write(json.dumps(asdict(state), default=_text).encode())
    put(temporary, path, is_durable=is_durable)


def path_of(workspace: Workspace, source_name: str, list_name: str) -> Path:
    return workspace.folder(_FOLDER, source_name) / f"{list_name}.json"


@contextmanager
def alone(workspace: Workspace, source_name: str) -> Iterator[None]:
    """One pull of a source at a time. Raises TransientError if another one runs."""
    descriptor = os.open(workspace.folder(_FOLDER, source_name) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(f"source '{source_name}' is being pulled by another command. Wait for it.") from None
        yield
    finally:
        os.close(descriptor)


def _at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError
