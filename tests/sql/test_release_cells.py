"""The cells of a release: which figures leave the marts at all, and which of them cover another together."""

from datetime import UTC, date, datetime

import pytest
from warehouse_records import Warehouse

from flows.stages.cells import read_cells, relations_of

DAY = date(2025, 5, 1)
DECIDED = datetime(2025, 1, 1, tzinfo=UTC)
TAKEN_FOR = {"a": ["pain"], "b": ["pain", "spasticity"], "c": ["pain", "spasticity", "fatigue"]}
# Where each patient was weak, how much, and when.
WEAK = {
    "a": [("legs", 2, DAY), ("torso", 3, DAY)],
    "b": [("face", 1, DAY), ("legs", 1, DAY)],
    "c": [("face", 2, DAY), ("legs", 0, date(2025, 6, 1))],
    "d": [("legs", 1, DAY)],
    "e": [("torso", 1, DAY)],
    "f": [("torso", 3, DAY)],
}


def admit(warehouse, file_id, tables, records, source="canonical"):
    """An admitted file that feeds these tables, one rule each, which two rows broke."""
    counts = {
        "read_count": records,
        "independent_count": records,
        "admitted_count": records - 2,
        "quarantined_count": 2,
    }
    counts |= dict.fromkeys(("unchanged_count", "duplicate_count", "out_of_scope_count", "warned_count"), 0)
    warehouse.ledger(
        "file", file_id=file_id, source_system=source, sha256=f"h{file_id}", file_key=f"h{file_id}", file_name="x.csv", byte_count=1,
        status="admitted", verdict="pass", reasons=[], batch_id=1, exported_at=None, decided_at=DECIDED, fingerprint="f", **counts,
    )  # fmt: skip
    for table in tables:
        warehouse.ledger(
            "rule_result", file_id=file_id, table_name=table, rule="r", action="refuse", dimension="validity", checked_count=records,
            failed_count=2,
        )  # fmt: skip


def cells_of(warehouse) -> dict:
    """Cells by key."""
    warehouse.ledger("batch", batch_id=1, source_system="canonical", committed_at=DECIDED, file_count=1)
    warehouse.build_all()
    return {cell.cell_key: cell for cell in read_cells(warehouse.con)}


@pytest.fixture(scope="module")
def of_one_source(new_warehouse):
    """(warehouse, cells) with a file of patients, one of consents and one of reports."""
    with new_warehouse() as con:
        warehouse = Warehouse(con)
        for number, table in enumerate(("patient", "consent", "symptom_report"), 1):
            admit(warehouse, number, [table], 100 + number)
        yield warehouse, cells_of(warehouse)


@pytest.fixture(scope="module")
def of_more(new_warehouse):
    """Cells with files of three sources, and of six patients."""
    with new_warehouse() as con:
        warehouse = Warehouse(con)
        admit(warehouse, 1, ["patient"], 120, source="register")
        admit(warehouse, 2, ["symptom_report"], 500)
        admit(warehouse, 3, ["patient", "outcome_assessment"], 700, source="floodlight")
        for name, given in WEAK.items():
            warehouse.patient(name)
            for region, severity, on in given:
                warehouse.add(
                    "symptom_report",
                    name,
                    symptom_code="muscle_weakness",
                    body_region=region,
                    severity=severity,
                    reported_on=on,
                )
        for name, purposes in TAKEN_FOR.items():
            warehouse.add("treatment_episode", name, treatment_code="baclofen", purpose_codes=purposes, started_on=DAY)
        return cells_of(warehouse)


def records(cells, source):
    stem = f"records|source={source}|disposition="
    return {key.removeprefix(stem): cell.cell_count for key, cell in cells.items() if key.startswith(stem)}


def test_rows_of_patients_and_consents_are_no_figure(of_one_source):
    """120 rows of table patient are 120 members: with 115 who agreed, 5 refused."""
    warehouse, cells = of_one_source
    tables = {cell.value_1 for cell in cells.values() if cell.table_id in ("rule_failure", "rule_checked")}
    assert tables == {"symptom_report"}
    assert {row["table_name"] for row in warehouse.mart("rule_failure")} == {"patient", "consent", "symptom_report"}


def test_records_of_files_of_patients_and_consents_are_no_figure(of_one_source):
    """Else read, less the rows that other tables' rules checked, is the number of members."""
    warehouse, cells = of_one_source
    assert (records(cells, "canonical")["read"], records(cells, "canonical")["quarantined"]) == (103, 2)
    assert cells["files|source=canonical|disposition=admitted"].cell_count == 3
    read = [row for row in warehouse.mart("file_accounting") if row["measure"] == "records_read"]
    assert {row["is_of_people"]: row["measured_count"] for row in read} == {True: 203, False: 103}


def test_a_source_of_patients_alone_has_files_and_no_records(of_more):
    assert set(records(of_more, "register").values()) == {0}
    assert of_more["files|source=register|disposition=admitted"].cell_count == 1
    assert records(of_more, "canonical")["read"] == 500


def test_files_of_patients_and_more_count(of_more):
    assert records(of_more, "floodlight")["read"] == 700
    assert "records|table=patient|rule=r" not in of_more


def excess(cells, whole):
    counts = relations_of(list(cells.values())).counts
    return counts[f"{whole} counted more than once"]


def test_takers_are_covered_by_purposes(of_more):
    assert excess(of_more, "condition=ms|source_family=native|treatment=baclofen") == 3


def test_weakness_is_covered_by_regions(of_more):
    """Weak legs and arms on one day are two regions of one patient; who was weak before and is not now has one region too many."""
    stem = "condition=ms|window=365d|symptom=muscle_weakness|severity="
    assert of_more[f"{stem}any"].cell_count == 5
    groups = ("any", "mild", "moderate", "severe", "moderate_or_severe")
    assert [excess(of_more, f"{stem}{group}") for group in groups] == [3, 1, 2, 0, 2]
