"""What the tests of SQL are given: a small warehouse that they fill, and details of all treatments."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from warehouse_records import Warehouse, new_warehouse

from sql import statement


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with new_warehouse() as con:
        yield Warehouse(con)


@pytest.fixture
def details_of_all(monkeypatch):
    """Details of every treatment, however few have taken it: a hundred patients a test would take long."""
    from flows.stages import build

    def eager(path, **parts):
        text = statement(path, **parts)
        return re.sub(r"(>=|THEN) [13]00\b", r"\1 1", text) if path == "marts/treatment_taken" else text

    monkeypatch.setattr(build, "statement", eager)
