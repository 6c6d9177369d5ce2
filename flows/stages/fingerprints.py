"""What the figures of a release are computed by, as short marks: of two releases with the same ones a repeat must agree."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

# What each part is made of: folders of a package, and the ending of the files that count.
_PARTS = {
    "marts": (("sql", ("macros", "marts", "release", "warehouse"), ".sql"),),
    "contracts": (("schemas", ("contracts",), ".yaml"),),
    "code lists": (("schemas", ("codes",), ".csv"), ("schemas", ("instruments",), ".yaml")),
    "program": (("flows", ("stages",), ".py"),),
}


@cache
def fingerprints() -> dict[str, str]:
    """A mark for each part: marts (with release statements, macros and views), contracts, code lists, program."""
    return {part: _mark(places) for part, places in _PARTS.items()}


def fingerprint(marks: dict[str, str] | None = None) -> str:
    """One mark of all parts together."""
    return _digest([f"{part} {mark}" for part, mark in sorted((marks or fingerprints()).items())])


def _mark(places: tuple[tuple[str, tuple[str, ...], str], ...]) -> str:
    texts = [
        text
        for package, folders, ending in places
        for folder in folders
        for text in _texts(files(package).joinpath(folder), ending)
    ]
    return _digest(texts)


def _texts(folder: Traversable, ending: str) -> list[str]:
    """Name and text of each file, in the order of their names."""
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(ending)), key=lambda entry: entry.name)
    return [f"{entry.name}\n{entry.read_text(encoding='utf-8')}" for entry in found]


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
