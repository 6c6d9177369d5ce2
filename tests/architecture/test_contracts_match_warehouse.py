"""The contracts and a real warehouse say the same: names, types, comments, both ways; and the lists they name are there."""

from importlib.resources import files

import pytest
from canonical import example, record, write_csv

from flows.pipeline import ingest
from flows.warehouse import warehouse, writing
from schemas.codes import code_list
from schemas.contract import TABLES, contract, describe
from schemas.instruments import instrument_list
from schemas.quoting import quoted

# DuckDB's own names of the types that contracts use.
NAMES = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A warehouse as `warehouse()` makes it."""
    from flows.settings import create_workspace

    workspace = create_workspace(tmp_path_factory.mktemp("contracts") / "workspace")
    with writing(workspace, "test"), warehouse(workspace) as con:
        yield con


@pytest.mark.parametrize("table", TABLES)
def test_history_has_the_contract_s_columns_types_and_comments(built, table):
    found = built.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = 'history' AND table_name = $table ORDER BY column_index",
        {"table": table},
    ).fetchall()
    assert found == [(c.name, NAMES.get(c.sql_type, c.sql_type), describe(c)) for c in contract(table).row_columns]


def test_history_holds_the_contracts_tables_and_no_other(built):
    found = built.execute(
        "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'history' ORDER BY 1"
    ).fetchall()
    assert [name for name, _ in found] == sorted(TABLES)
    assert all(f"Contract {contract(name).version}." in comment for name, comment in found)


@pytest.mark.parametrize("table", TABLES)
def test_core_shows_the_contract_s_columns_with_their_comments(built, table):
    found = dict(
        built.execute(
            "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'core' AND table_name = $table",
            {"table": table},
        ).fetchall()
    )
    expected = {c.name: describe(c) for c in contract(table).row_columns if c.name != "superseded_in"}
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("table", TABLES)
def test_the_arrow_schema_is_what_the_warehouse_returns(built, table):
    casts = ", ".join(
        f"{quoted(c.name)}{'::VARCHAR AS ' + quoted(c.name) if c.sql_type == 'UUID' else ''}"
        for c in contract(table).row_columns
    )
    returned = built.sql(f"SELECT {casts} FROM history.{quoted(table)}").to_arrow_table().schema
    expected = contract(table).arrow_schema()
    assert [(f.name, str(f.type).replace("item", "l").replace("element", "l")) for f in returned] == [
        (f.name, str(f.type).replace("item", "l").replace("element", "l")) for f in expected
    ]


def test_the_warehouse_has_nothing_that_a_lake_could_not_hold(built):
    assert built.execute("SELECT count(*) FROM duckdb_indexes()").fetchone() == (0,)
    assert built.execute("SELECT count(*) FROM duckdb_sequences()").fetchone() == (0,)
    assert (
        built.execute(
            "SELECT DISTINCT constraint_type FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'"
        ).fetchall()
        == []
    )
    assert built.execute(
        "SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND data_type LIKE 'ENUM%'"
    ).fetchone() == (0,)


@pytest.mark.parametrize("table", TABLES)
def test_the_code_lists_that_a_contract_names_exist(table):
    for column in contract(table).columns:
        if column.code_list == "instrument":
            assert instrument_list().codes
        elif column.code_list:
            assert files("schemas").joinpath("codes", f"{column.code_list}.csv").is_file()
            assert code_list(column.code_list).codes


def test_the_least_record_of_every_table_is_admitted(tmp_path, workspace, now):
    paths = [write_csv(tmp_path / f"{table}.csv", [record(table, table, **{f"mark_{table}": ""})]) for table in TABLES]
    summary = ingest(workspace, paths, now=now)
    assert {file.file_name: (file.status, file.counts["admitted_count"]) for file in summary.files} == {
        f"{table}.csv": ("admitted", 1) for table in TABLES
    }


@pytest.mark.parametrize("table", TABLES)
def test_every_column_can_be_delivered(table, tmp_path, workspace):
    from canonical import prepare, spooled

    said = {c.delivered_name: example(c) for c in contract(table).columns}
    if table == "treatment_episode":
        said["status"] = "stopped"  # it has a date and a reason of its stop
    (row,) = spooled(prepare(workspace, write_csv(tmp_path / f"{table}.csv", [record(table, "1", **said)])), table)
    blanked = {check.column for check in contract(table).row_checks() if check.name in row["warnings"]}
    assert {c.name for c in contract(table).columns if row[c.name] is None} <= blanked
