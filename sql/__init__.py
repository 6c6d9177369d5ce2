"""How rows become reports: every SQL statement of the project, one a file, found by its path under this folder."""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"\{([a-z_]+)\}")


@cache
def _text(path: str) -> str:
    return files(__package__).joinpath(*f"{path}.sql".split("/")).read_text(encoding="utf-8")


def statement(path: str, **parts: str) -> str:
    """The statement in `sql/<path>.sql`, its `{name}` places filled.

    A place takes an identifier that went through `schemas.quoting`, or SQL generated from a contract; values of records are bound
    as `$name` by whoever executes the statement. Raises KeyError if a place has no part.
    """
    return _NAME.sub(lambda place: parts[place.group(1)], _text(path))


def statements(folder: str) -> list[str]:
    """Paths of the statements in `sql/<folder>/`, sorted by name, without the ending."""
    names = (entry.name for entry in files(__package__).joinpath(*folder.split("/")).iterdir())
    return sorted(f"{folder}/{name.removesuffix('.sql')}" for name in names if name.endswith(".sql"))
