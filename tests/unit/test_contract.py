"""What is made of a contract: checks, DDL, Arrow schema, expectations, dictionary, out of one list of columns."""

import duckdb
import pytest

from schemas.contract import LEDGER_COLUMNS, TABLES, allowed_values, contract, contracts, describe, required_names


def test_an_unknown_table_is_named_with_those_there_are():
    with pytest.raises(KeyError, match="no record table 'visit'; there are: patient, consent"):
        contract("visit")


def test_parents_stand_before_their_children():
    tables = [c.table for c in contracts()]
    for agreed in contracts():
        for column in agreed.columns:
            if column.parent:
                assert tables.index(column.parent) < tables.index(agreed.table)


@pytest.mark.parametrize("table", TABLES)
def test_names_of_columns_are_distinct_and_so_are_names_of_checks(table):
    names = [c.name for c in contract(table).row_columns]
    checks = [c.name for c in contract(table).row_checks()]
    assert len(set(names)) == len(names)
    assert len(set(checks)) == len(checks)


@pytest.mark.parametrize("table", TABLES)
def test_every_check_names_its_column_and_says_what_is_wrong(table):
    columns = {c.name for c in contract(table).delivered_columns}
    for check in contract(table).row_checks():
        assert check.column is None or check.column in columns
        assert check.message
        assert check.action in ("refuse", "blank", "warn")


@pytest.mark.parametrize("table", TABLES)
def test_a_required_column_is_never_blanked(table):
    required = {c.name for c in contract(table).delivered_columns if c.is_required}
    assert [
        check.name for check in contract(table).row_checks() if check.action == "blank" and check.column in required
    ] == []


@pytest.mark.parametrize("table", TABLES)
def test_the_envelope_stands_before_and_the_ledger_behind(table):
    names = [c.name for c in contract(table).row_columns]
    assert names[:7] == [
        "record_id",
        "patient_id",
        "source_system",
        "source_updated_at",
        "exported_at",
        "is_deleted",
        "row_hash",
    ]
    assert names[-5:] == ["file_id", "record_number", "admitted_in", "superseded_in", "warnings"]
    assert set(LEDGER_COLUMNS) < set(names)


@pytest.mark.parametrize("table", TABLES)
def test_ddl_holds_in_a_tombstone_and_is_run_twice_without_harm(table):
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA history")
        for _ in range(2):
            for command in contract(table).ddl():
                con.execute(command)
        never_null = {
            name
            for name, null in con.execute("SELECT column_name, is_nullable FROM information_schema.columns").fetchall()
            if null == "NO"
        }
    assert never_null.isdisjoint(c.name for c in contract(table).columns)
    assert {"record_id", "row_hash", "file_id", "admitted_in"} <= never_null


@pytest.mark.parametrize("table", TABLES)
def test_the_arrow_schema_has_the_ddl_s_columns_in_their_order(table):
    assert contract(table).arrow_schema().names == [c.name for c in contract(table).row_columns]


@pytest.mark.parametrize("table", TABLES)
def test_the_dictionary_explains_every_column(table):
    entries = contract(table).dictionary()
    assert [e["column"] for e in entries] == [c.name for c in contract(table).row_columns]
    assert all(e["description"] for e in entries)


def test_a_comment_gives_unit_and_allowed_values():
    assert (
        describe(contract("patient").column("height_cm")) == "Height in centimetres. Unit: cm. Allowed: 100 to 230 cm."
    )
    assert (
        allowed_values(contract("symptom_report").column("severity")) == "0 (none), 1 (mild), 2 (moderate), 3 (severe)"
    )
    assert allowed_values(contract("symptom_report").column("symptom_code")) == "code list 'symptom' (open)"


def test_the_least_a_canonical_export_must_deliver():
    assert required_names(contract("symptom_report").delivered_columns) == [
        "source_record_id", "source_patient_id", "reported_on", "symptom_code", "severity",
    ]  # fmt: skip
    assert "source_episode_id" in required_names(contract("treatment_evaluation").delivered_columns)


@pytest.mark.parametrize("table", TABLES)
def test_expectations_speak_of_columns_that_are_there(table):
    names = {c.name for c in contract(table).row_columns}
    expectations = contract(table).expectations()
    assert expectations[0]["kwargs"]["column_set"] == [
        c.name for c in contract(table).row_columns if c.name not in LEDGER_COLUMNS
    ]
    assert {e["kwargs"]["column"] for e in expectations if "column" in e["kwargs"]} <= names
