"""The ledger's marts: counts of files and records, as of a batch."""

from datetime import UTC, datetime

DECIDED = datetime(2025, 1, 1, tzinfo=UTC)
COMMON = {
    "source_system": "canonical",
    "verdict": "pass",
    "reasons": [],
    "exported_at": None,
    "fingerprint": "f",
    "byte_count": 1,
    "warned_count": 0,
}


def admitted(file_id, batch_id, read, admitted_count, quarantined):
    return COMMON | {
        "file_id": file_id, "sha256": f"h{file_id}", "file_key": f"h{file_id}", "file_name": "x.csv", "status": "admitted", "batch_id": batch_id, "decided_at": DECIDED,
        "read_count": read, "independent_count": read, "admitted_count": admitted_count, "unchanged_count": 0, "duplicate_count": 0,
        "quarantined_count": quarantined, "out_of_scope_count": 0,
    }  # fmt: skip


def batch(warehouse, batch_id, day=1):
    moment = datetime(2025, 1, day, tzinfo=UTC)
    warehouse.ledger("batch", batch_id=batch_id, source_system="canonical", committed_at=moment, file_count=1)


def accounting(warehouse):
    return {row["measure"]: row["measured_count"] for row in warehouse.mart("file_accounting")}


def test_only_files_up_to_the_batch_count(warehouse):
    for number in (1, 2):
        batch(warehouse, number, number)
        warehouse.ledger("file", **admitted(number, number, 10 * number, 9 * number, number))
    warehouse.build(as_of_batch=1)
    assert accounting(warehouse)["records_read"] == 10
    warehouse.build(as_of_batch=2)
    found = accounting(warehouse)
    assert (
        found["records_read"],
        found["records_admitted"],
        found["records_quarantined"],
        found["files_admitted"],
    ) == (30, 27, 3, 2)
    assert found["files_unbalanced"] == 0


def test_a_file_that_does_not_balance_is_counted(warehouse):
    batch(warehouse, 1)
    warehouse.ledger("file", **admitted(1, 1, 10, 7, 1))
    warehouse.build()
    assert accounting(warehouse)["files_unbalanced"] == 1


def test_held_files_known_by_the_batch_count_as_files_and_not_as_records(warehouse):
    batch(warehouse, 1, 2)
    warehouse.ledger("file", **admitted(1, 1, 10, 10, 0))
    held = {"status": "held", "batch_id": None, "verdict": "hold"}
    warehouse.ledger("file", **admitted(2, 1, 99, 0, 99) | held)
    warehouse.ledger("file", **admitted(3, 1, 99, 0, 99) | held | {"decided_at": datetime(2025, 2, 1, tzinfo=UTC)})
    warehouse.build()
    found = accounting(warehouse)
    assert (found["files_admitted"], found["files_held"], found["records_read"]) == (1, 1, 10)


def test_rules_are_summed_over_files_and_clean_ones_left_out(warehouse):
    batch(warehouse, 1)
    for number in (1, 2):
        warehouse.ledger("file", **admitted(number, 1, 10, 10, 0))
        for rule, failed in (("severity_missing", number), ("never_broken", 0)):
            warehouse.ledger(
                "rule_result",
                file_id=number,
                table_name="symptom_report",
                rule=rule,
                action="refuse",
                dimension="completeness",
                checked_count=10,
                failed_count=failed,
            )
    warehouse.build()
    assert warehouse.mart("rule_failure") == [
        {
            "table_name": "symptom_report",
            "rule": "severity_missing",
            "action": "refuse",
            "checked_count": 20,
            "failed_count": 3,
        }
    ]
