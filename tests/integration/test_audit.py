"""The audit: Great Expectations inside our own connection, with suites from the contracts."""

import duckdb
import pytest
from canonical import record, write_csv

from flows import audit
from flows.pipeline import ingest
from flows.settings import create_workspace
from flows.stages import gate
from schemas.contract import contract

CANARY = "canary-5f1d"


@pytest.fixture
def con():
    """A connection in an open transaction, with one unread rule broken in an uncommitted table."""
    with duckdb.connect() as con:
        con.execute("BEGIN")
        for command in contract("symptom_report").ddl("main"):
            con.execute(command)
        con.execute(
            "INSERT INTO symptom_report BY NAME SELECT uuid() AS record_id, uuid() AS patient_id, 's' AS source_system, false AS is_deleted, "
            "1 AS row_hash, 1 AS file_id, i AS record_number, 1 AS admitted_in, []::VARCHAR[] AS warnings, DATE '2025-01-01' AS reported_on, "
            f"'{CANARY}' AS symptom_code, 2 AS severity, CASE i WHEN 3 THEN '{CANARY}' ELSE 'legs' END AS body_region FROM range(5) AS t(i)"
        )
        yield con


def test_a_value_outside_its_list_is_found_in_an_uncommitted_table_and_nothing_else(con, tmp_path):
    with audit.auditing(con, tmp_path) as auditor:
        found = auditor.audit({contract("symptom_report"): "symptom_report"}, "run")
    assert [(f.table, f.expectation, f.column) for f in found] == [
        ("symptom_report", "expect_column_values_to_be_in_set", "body_region")
    ]


def test_the_caller_s_transaction_is_still_open_after_an_audit(con, tmp_path):
    with audit.auditing(con, tmp_path) as auditor:
        auditor.audit({contract("symptom_report"): "symptom_report"}, "run")
    con.execute("ROLLBACK")
    assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


def test_data_docs_are_written_and_hold_no_value_of_a_row(con, tmp_path):
    with audit.auditing(con, tmp_path) as auditor:
        auditor.audit({contract("symptom_report"): "symptom_report"}, "run")
    assert list(tmp_path.rglob("data_docs/local_site/index.html"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]


def test_an_audit_after_one_of_other_tables_works_in_the_same_folder(con, tmp_path):
    con.execute("CREATE TABLE again AS FROM symptom_report WHERE body_region = 'legs'")
    for view, expected in (("symptom_report", 1), ("again", 0)):
        with audit.auditing(con, tmp_path) as auditor:
            assert len(auditor.audit({contract("symptom_report"): view}, "run")) == expected


@pytest.mark.parametrize("left", [0, 0.5], ids=["empty", "cut"])
def test_an_audit_works_whatever_a_killed_one_left_half_written(con, tmp_path, left):
    with audit.auditing(con, tmp_path) as auditor:
        auditor.audit({contract("symptom_report"): "symptom_report"}, "run")
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * left)])
    with audit.auditing(con, tmp_path) as auditor:
        assert len(auditor.audit({contract("symptom_report"): "symptom_report"}, "again")) == 1
    assert "again" in (tmp_path / "gx/uncommitted/data_docs/local_site/index.html").read_text()


def test_a_file_whose_rows_fail_the_audit_is_held_and_the_others_are_admitted(tmp_path, now, monkeypatch):
    workspace = create_workspace(tmp_path / "ws")
    landing = workspace.folder("landing", "canonical")
    for name in ("good", "bad"):
        write_csv(landing / f"consent-{name}.csv", [record("consent", f"{name}{n}") for n in range(3)])
    judge = gate.judge

    def spoil(connection, source, candidates, opened):
        # As if our own SQL had let a wrong value through.
        for candidate in candidates:
            if "bad" in candidate.file_name:
                rows = candidate.spool / "consent.parquet"
                changed = rows.with_suffix(".new")
                duckdb.execute(
                    f"COPY (SELECT * REPLACE ('lost' AS status) FROM '{rows}') TO '{changed}' (FORMAT parquet)"
                )
                changed.replace(rows)
        return judge(connection, source, candidates, opened)

    monkeypatch.setattr(gate, "judge", spoil)
    summary = ingest(workspace, now=now)
    assert {f.file_name: f.status for f in summary.files} == {"consent-good.csv": "admitted", "consent-bad.csv": "held"}
    (held,) = (f for f in summary.files if f.status == "held")
    assert held.reasons == ("the audit of consent failed: expect_column_values_to_be_in_set of status",)
