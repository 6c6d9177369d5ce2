"""What the tests of SQL are given: a small warehouse that they fill, or that is filled already, and details of all treatments."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from ready import Ready
from warehouse_records import Warehouse, details_of_every_treatment, kept, made_warehouse, opened


@pytest.fixture(scope="session")
def new_warehouse(ready: Ready) -> Callable[[], duckdb.DuckDBPyConnection]:
    """Gives an empty warehouse of one's own each time it is called."""

    def make(path: Path) -> None:
        with made_warehouse() as con:
            kept(con, path)

    return lambda: opened(ready.made("warehouse.duckdb", make))


@pytest.fixture
def warehouse(new_warehouse) -> Iterator[Warehouse]:
    with new_warehouse() as con:
        yield Warehouse(con)


@pytest.fixture
def after(ready: Ready, new_warehouse) -> Iterator[Callable[[Callable], Warehouse]]:
    """Gives a warehouse of the test's own as `state` has left it, which is called once a run: `after(state)`.

    `state` is given the same function, and so can begin where another one ends.
    """
    with contextlib.ExitStack() as open_ones:

        def after(state: Callable | None = None) -> Warehouse:
            if state is None:
                return Warehouse(open_ones.enter_context(new_warehouse()))
            path = ready.made(f"{state.__name__}.duckdb", lambda path: kept(state(after).con, path))
            return Warehouse(open_ones.enter_context(opened(path)))

        yield after


@pytest.fixture
def details_of_all() -> Iterator[None]:
    with details_of_every_treatment():
        yield
