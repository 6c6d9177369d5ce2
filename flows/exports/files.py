"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, *, is_durable: bool = True) -> Iterator[BinaryIO]:
    """Write a file for its owner's eyes; when the block ends its bytes are on the disk, if they must outlive the machine."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        if is_durable:
            file.flush()
            os.fsync(file.fileno())


def put(temporary: Path, target: Path, *, is_durable: bool = True) -> None:
    """Give a file that is whole its name; when this returns the name is on the disk too, if it must outlive the machine."""
    temporary.replace(target)
    if not is_durable:
        return
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
