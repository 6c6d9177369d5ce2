"""Which tests run on one worker of pytest-xdist, and in which order: those that share a module's fixture, or a session's that is
made once, stay together; all others go wherever there is room.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

# Fixtures of the session that take so long to make that one worker makes them and runs all their tests.
MADE_ONCE = ("standing", "browser")
# Folders in which single tests take longest come first: what is left for the end should be short.
_FOLDERS = ("attack", "faults", "browser", "property", "integration", "sql", "architecture", "unit")


_GROUPS = pytest.StashKey[Path]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Where a worker of xdist writes which tests belong together."""
    stash = node.config.stash
    if _GROUPS not in stash:
        stash[_GROUPS] = Path(tempfile.mkdtemp(prefix="groups-"))
    node.workerinput["groups"] = str(stash[_GROUPS] / "groups.json")


def pytest_collection_modifyitems(config, items):
    items[:] = in_order(items)
    if hasattr(config, "workerinput"):
        write_groups(items, Path(config.workerinput["groups"]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return ByGroup(config, log, config.stash[_GROUPS] / "groups.json")


def pytest_unconfigure(config):
    if _GROUPS in config.stash:
        shutil.rmtree(config.stash[_GROUPS], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are cores: who waits for the Prefect server computes nothing."""
    return (os.cpu_count() or 1) + 1


class ByGroup(LoadScopeScheduling):
    """Hands out whole groups, in the order of the tests. What is in none is a group of its own."""

    def __init__(self, config: pytest.Config, log: object, groups: Path) -> None:
        super().__init__(config, log)
        self.config.option.loadscopereorder = False
        self._file = groups
        self._groups: dict[str, str] | None = None

    def _split_scope(self, nodeid: str) -> str:
        if self._groups is None:
            self._groups = json.loads(self._file.read_text())
        return self._groups.get(nodeid, nodeid)


def write_groups(items: list[pytest.Item], path: Path) -> None:
    """Tell the scheduler, which sees no more of a test than its id. All workers write the same."""
    kept = path.with_suffix(f".{os.getpid()}")
    kept.write_text(json.dumps(groups_of(items)))
    kept.replace(path)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """What takes long first, and before all else what waits for the Prefect server."""
    return sorted(items, key=_rank)


def _rank(item: pytest.Item) -> int:
    if "standing" in item.fixturenames:
        return -1
    folder = item.path.parent.name
    return _FOLDERS.index(folder) if folder in _FOLDERS else len(_FOLDERS)


def groups_of(items: Iterable[pytest.Item]) -> dict[str, str]:
    """Of each item that shares a fixture, by its id: the number of its group, which has all who share, directly or through others."""
    leader: dict[str, str] = {}

    def led(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for item in items:
        for shared in shared_fixtures(item):
            leader[led(item.nodeid)] = led(shared)
    numbers: dict[str, int] = {}
    return {
        item.nodeid: f"group {numbers.setdefault(led(item.nodeid), len(numbers))}"
        for item in items
        if item.nodeid in leader
    }


def shared_fixtures(item: pytest.Item) -> list[str]:
    """The fixtures that an item shares with others: those of a class, a module or a package, each with the parameters it is made
    for, and those of `MADE_ONCE`."""
    definitions = item._fixtureinfo.name2fixturedefs
    places = item.callspec.indices if hasattr(item, "callspec") else {}
    found = []
    for name in item.fixturenames:
        if name in MADE_ONCE:
            found.append(name)
        if not definitions.get(name) or definitions[name][-1].scope in ("function", "session"):
            continue
        made_for = [f"{each}{places[each]}" for each in sorted(_needed(name, definitions) & set(places))]
        found.append("/".join([item.nodeid.partition("::")[0], name, *made_for]))
    return found


def _needed(name: str, definitions: dict) -> set[str]:
    """A fixture and all that it asks for."""
    needed: set[str] = set()
    waiting = [name]
    while waiting:
        if (one := waiting.pop()) not in needed:
            needed.add(one)
            waiting += [each for found in definitions.get(one, ()) for each in found.argnames]
    return needed
