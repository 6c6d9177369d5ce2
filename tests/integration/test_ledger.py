"""The ledger: what became of every file and record, in numbers that add up."""

import csv
import io
from collections import Counter

from canonical import admit_batches, csv_text, prepare, quarantined, query, record, write, write_csv

from flows.pipeline import ingest
from flows.warehouse import snapshot
from schemas.contract import contract, required_names

CONSENTS = [record("consent", str(n)) for n in range(20)]


def ask(workspace, sql):
    with snapshot(workspace) as con:
        return con.execute(sql).fetchall()


def test_every_disposition_is_counted_once(workspace, tmp_path, now):
    ingest(workspace, [write_csv(tmp_path / "consent-first.csv", CONSENTS[:5])], now=now)
    rows = [
        *CONSENTS,  # five are in the warehouse already
        CONSENTS[7], CONSENTS[7],  # two repeat a record of this file
        record("consent", "bad", scope="nowhere"),
    ]  # fmt: skip
    (outcome,) = ingest(workspace, [write_csv(tmp_path / "consent.csv", rows)], now=now).files
    names = (
        "read_count",
        "independent_count",
        "admitted_count",
        "unchanged_count",
        "duplicate_count",
        "quarantined_count",
        "out_of_scope_count",
    )
    assert [outcome.counts[name] for name in names] == [23, 23, 15, 5, 2, 1, 0]
    assert ask(workspace, "SELECT file_id, status, batch_id, read_count FROM ops.file ORDER BY 1") == [
        (1, "admitted", 1, 5),
        (2, "admitted", 2, 23),
    ]


def test_one_refused_row_refuses_the_record_in_all_its_tables(workspace, now):
    text = "\turlDrugName\trating\teffectiveness\tsideEffects\tcondition\tbenefitsReview\tsideEffectsReview\tcommentsReview\n"
    text += "1\tbaclofen\t8\tHighly Effective\tNo Side Effects\tms\t\t\t\n"
    text += "2\tbaclofen\t8\tSplendidly\tNo Side Effects\tms\t\t\t\n"
    text += "".join(f"{n}\tbaclofen\t8\tIneffective\tNo Side Effects\tms\t\t\t\n" for n in range(3, 9))
    write(workspace.root / "landing" / "druglib" / "reviews.tsv", text)
    (outcome,) = ingest(workspace, now=now).files
    assert (outcome.counts["read_count"], outcome.counts["admitted_count"], outcome.counts["quarantined_count"]) == (
        8,
        7,
        1,
    )
    assert ask(
        workspace, "SELECT count(*), max(record_number) FROM history.treatment_episode WHERE record_number = 2"
    ) == [(0, None)]
    assert ask(workspace, "SELECT count(*) FROM history.patient") == [(7,)]
    assert ask(
        workspace, "SELECT record_number, table_name, rule, action FROM ops.quarantine WHERE action = 'refuse'"
    ) == [(2, "treatment_evaluation", "effectiveness_unknown_value", "refuse")]


def test_a_file_delivered_again_under_another_name_is_the_same_file(workspace, tmp_path, now):
    ingest(workspace, [write_csv(tmp_path / "consent.csv", CONSENTS)], now=now)
    (outcome,) = ingest(workspace, [write_csv(tmp_path / "consents of january.csv", CONSENTS)], now=now).files
    assert (outcome.file_id, outcome.is_new) == (1, False)
    assert ask(workspace, "SELECT count(*) FROM ops.file") == [(1,)]


def test_a_corrected_file_of_the_same_name_is_another_file(workspace, tmp_path, now):
    path = tmp_path / "consent.csv"
    ingest(workspace, [write_csv(path, CONSENTS)], now=now)
    ingest(
        workspace,
        [write_csv(path, [{**row, "source_updated_at": "2025-02-01", "status": "withdrawn"} for row in CONSENTS])],
        now=now,
    )
    assert ask(workspace, "SELECT count(*) FROM ops.file") == [(2,)]
    assert (
        ask(workspace, "SELECT status, count(*) FROM core.consent GROUP BY ALL") == []
    )  # their patients are not there
    assert ask(workspace, "SELECT status, superseded_in FROM history.consent GROUP BY ALL ORDER BY ALL") == [
        ("granted", 2),
        ("withdrawn", None),
    ]


def test_all_files_of_a_sweep_are_one_batch_numbered_by_content(workspace, tmp_path, now):
    files = [write_csv(tmp_path / f"consent-{n}.csv", [CONSENTS[n]]) for n in range(3)]
    ingest(workspace, files, now=now)
    assert ask(workspace, "SELECT count(DISTINCT batch_id), count(DISTINCT file_id) FROM ops.file") == [(1, 3)]
    assert ask(workspace, "SELECT list(sha256 ORDER BY file_id) = list(sha256 ORDER BY sha256) FROM ops.file") == [
        (True,)
    ]


def test_rule_results_say_how_many_rows_each_rule_saw_and_how_many_broke_it(workspace, tmp_path):
    rows = [*CONSENTS, record("consent", "x", scope="nowhere"), record("consent", "y", status="perhaps", scope="")]
    admit_batches(workspace, [[write_csv(tmp_path / "consent.csv", rows)]])
    found = query(
        workspace, "SELECT rule, checked_count, failed_count FROM ops.rule_result WHERE failed_count > 0 ORDER BY 1"
    )
    assert found == [("scope_missing", 22, 1), ("scope_unknown_value", 22, 1), ("status_unknown_value", 22, 1)]
    assert query(workspace, "SELECT count(DISTINCT checked_count), min(checked_count) FROM ops.rule_result") == [
        (1, 22)
    ]


def test_ops_quarantine_and_the_kept_originals_agree(workspace, tmp_path):
    rows = [record("fall_report", str(n), fall_count="-1" if n % 3 else "1", near_fall_count="99999") for n in range(9)]
    path = write_csv(tmp_path / "fall_report.csv", rows)
    candidate = prepare(workspace, path)
    admit_batches(workspace, [[path]])
    kept = quarantined(workspace, candidate)
    listed = query(workspace, "SELECT record_number, table_name, rule, column_name, action FROM ops.quarantine")
    assert Counter(listed) == Counter(
        (r["record_number"], r["table_name"], r["rule"], r["column_name"], r["action"]) for r in kept
    )
    delivered = list(csv.reader(io.StringIO(csv_text(rows))))
    assert all(next(csv.reader([row["original"]])) == delivered[row["record_number"]] for row in kept)


def test_a_tombstone_ends_a_record_and_absence_does_not(workspace, tmp_path, now):
    patients = [record("patient", str(n), source_updated_at="2025-01-01") for n in range(3)]
    ingest(workspace, [write_csv(tmp_path / "patient.csv", patients)], now=now)
    gone = {**patients[0], "source_updated_at": "2025-02-01", "is_deleted": "true"}
    ingest(workspace, [write_csv(tmp_path / "patient-next.csv", [gone])], now=now)
    assert ask(workspace, "SELECT count(*) FROM core.patient") == [(2,)]
    late = {**patients[0], "sex": "male", "source_updated_at": "2025-01-15"}
    ingest(workspace, [write_csv(tmp_path / "patient-late.csv", [late])], now=now)
    assert ask(workspace, "SELECT count(*) FROM core.patient") == [(2,)]
    assert ask(workspace, "SELECT count(*) FROM history.patient") == [(5,)]


def test_the_warehouse_as_of_a_batch_says_what_was_known_then(workspace, tmp_path, now):
    for month, year in (("01", "1970"), ("02", "1971")):
        row = record("patient", "a", source_updated_at=f"2025-{month}-01", birth_year=year)
        ingest(workspace, [write_csv(tmp_path / f"patient-{month}.csv", [row])], now=now)
    assert ask(workspace, "SELECT birth_year FROM core.patient") == [(1971,)]
    with snapshot(workspace) as con:
        con.execute("SET VARIABLE as_of_batch = 1")
        assert con.execute("SELECT birth_year FROM core.patient").fetchall() == [(1970,)]


def test_ids_of_the_source_stand_nowhere_in_the_warehouse(workspace, tmp_path, now):
    rows = [record("consent", f"canary-record-{n}", source_patient_id=f"canary-patient-{n}") for n in range(3)]
    ingest(workspace, [write_csv(tmp_path / "consent.csv", rows)], now=now)
    copy = (workspace.root / "published" / "outcomes.duckdb").read_bytes()
    assert b"canary" not in copy
    with snapshot(workspace) as con:
        for schema, table in con.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall():
            assert "canary" not in repr(con.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall())


def test_the_same_bytes_for_two_tables_are_two_files(workspace, now):
    # Tombstones need no content: an export may give one list of them for several tables.
    columns = ["source_record_id", "source_updated_at", "is_deleted"]
    columns += [
        name for table in ("fall_report", "relapse") for name in required_names(contract(table).delivered_columns)
    ]
    header = ",".join(dict.fromkeys(columns))
    row = "x1,2025-06-01T00:00:00Z,true" + "," * (header.count(",") - 2)
    landing = workspace.folder("landing", "canonical")
    files = [write(landing / name, f"{header}\n{row}\n") for name in ("fall_report.csv", "relapse.csv")]
    assert files[0].read_bytes() == files[1].read_bytes()
    summary = ingest(workspace, now=now)
    assert [(f.status, f.counts["admitted_count"]) for f in summary.files] == [("admitted", 1), ("admitted", 1)]


def test_a_file_that_changes_while_it_is_read_waits_and_the_others_go_on(workspace, now, monkeypatch):
    from flows.errors import TransientError
    from flows.stages import prepare

    landing = workspace.folder("landing", "canonical")
    head = "source_record_id,source_patient_id,source_updated_at,is_deleted,scope,status,effective_at"
    for name in ("growing", "whole"):
        write(landing / f"consent-{name}.csv", f"{head}\n{name},p1,,,research,granted,2025-01-01T00:00:00Z\n")
    real = prepare.reading.stamp_of
    monkeypatch.setattr(
        prepare.reading,
        "stamp_of",
        lambda path: (0, 0, 0) if "growing" in path.name and "prepare_file" in callers() else real(path),
    )
    summary = ingest(workspace, now=now)
    assert {f.file_name: f.status for f in summary.files} == {
        "consent-growing.csv": "deferred",
        "consent-whole.csv": "admitted",
    }
    assert summary.exit_code == TransientError.exit_code
    assert [path.name for path in landing.iterdir()] == ["consent-growing.csv"]
    monkeypatch.undo()
    assert [f.status for f in ingest(workspace, now=now).files] == ["admitted"]


def callers():
    import sys

    frame, names = sys._getframe(1), set()
    while frame:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names
