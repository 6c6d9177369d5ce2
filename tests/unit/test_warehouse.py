"""Scratch connections: the small ones are used again and again, and nothing of one file may reach the next."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from flows.settings import Settings
from flows.warehouse import small_scratch

LEFT_BEHIND = """
CREATE TABLE kept (a INTEGER);
CREATE TYPE known AS ENUM ('a');
CREATE MACRO twice(a) AS 2 * a;
CREATE TEMP TABLE passing (a INTEGER);
CREATE TEMP VIEW seen AS SELECT 1 AS a;
CREATE TEMP MACRO thrice(a) AS 3 * a;
SET VARIABLE spoken = 'word';
PRAGMA disable_optimizer;
SET TimeZone = 'Asia/Tokyo';
"""


def test_nothing_that_one_file_leaves_is_there_for_the_next(tmp_path: Path) -> None:
    with small_scratch(Settings(), tmp_path, "Europe/Berlin") as con:
        con.execute(LEFT_BEHIND)
    with small_scratch(Settings(), tmp_path) as con:
        for query in (
            "FROM kept",
            "FROM passing",
            "FROM seen",
            "SELECT 'a'::known",
            "SELECT twice(1)",
            "SELECT thrice(1)",
        ):
            with pytest.raises(duckdb.CatalogException):
                con.execute(query)
        assert con.execute("SELECT getvariable('spoken'), current_setting('TimeZone')").fetchone() == (None, "UTC")


def test_the_macros_are_made_once(tmp_path: Path) -> None:
    with small_scratch(Settings(), tmp_path) as con:
        con.execute("CREATE TABLE memory.made_for_all (a INTEGER)")
    with small_scratch(Settings(), tmp_path) as con:
        con.execute("FROM memory.made_for_all")


def test_one_that_failed_is_not_used_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), small_scratch(Settings(), tmp_path) as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute("CREATE TABLE kept (a INTEGER)")
        raise RuntimeError
    with small_scratch(Settings(), tmp_path) as con:
        assert con.execute("SELECT current_setting('preserve_insertion_order')").fetchone() == (True,)
        assert con.execute("SELECT cleaned(' a ')").fetchone() == ("a",)


def test_other_settings_or_another_folder_get_their_own(tmp_path: Path) -> None:
    for folder, limit in [("a", "300MB"), ("b", "300MB"), ("b", "400MB")]:
        with small_scratch(Settings(memory_limit=limit), tmp_path / folder) as con:
            (spill, memory) = con.execute(
                "SELECT current_setting('temp_directory'), current_setting('memory_limit')"
            ).fetchone()
        assert spill.startswith(str(tmp_path / folder))
        assert memory == {"300MB": "286.1 MiB", "400MB": "381.4 MiB"}[limit]
