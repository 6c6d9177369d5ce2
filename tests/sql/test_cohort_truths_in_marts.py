"""Two thousand patients of the synthetic cohort: marts find again what the cohort model planted."""

from __future__ import annotations

from pathlib import Path

import pytest
from warehouse_records import Warehouse

from flows.cohort import write_cohort
from flows.cohort.model import COHORT_ENDS_ON
from schemas.contract import contract
from schemas.quoting import literal, quoted

PATIENTS = 2000
TABLES = ("patient", "consent", "symptom_report", "fall_report")


def load(warehouse: Warehouse, folder: Path, table: str) -> None:
    """The cohort's file as history rows, without the pipeline: ids are hashes, everything is current."""
    columns = [c.name for c in contract(table).columns]
    given = ", ".join(quoted(name) for name in columns)
    cast = ", ".join(
        f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in types(warehouse, table, columns)
    )
    warehouse.con.execute(
        f"""
        INSERT INTO history.{table} BY NAME
        SELECT {cast}, md5(source_record_id)::UUID AS record_id, md5(source_patient_id)::UUID AS patient_id,
            'canonical' AS source_system, source_updated_at::TIMESTAMPTZ AS source_updated_at, false AS is_deleted,
            row_number() OVER () AS row_hash, 1 AS file_id, row_number() OVER () AS record_number, 1 AS admitted_in, [] AS warnings
        FROM (SELECT {given}, source_record_id, source_patient_id, source_updated_at
            FROM read_csv({literal(str(folder / f"{table}.csv"))}, all_varchar = true))
        """
    )


def types(warehouse: Warehouse, table: str, columns: list[str]) -> list[tuple[str, str]]:
    rows = warehouse.rows(
        f"SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'history' AND table_name = {literal(table)}"
    )
    known = {row["column_name"]: row["data_type"] for row in rows}
    return [(name, known[name]) for name in columns]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, new_warehouse) -> Warehouse:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, PATIENTS, dirt=False)
    with new_warehouse() as con:
        made = Warehouse(con)
        for table in TABLES:
            load(made, folder, table)
        from datetime import UTC, datetime, time

        made.build(1, datetime.combine(COHORT_ENDS_ON.item(), time.max, UTC))
        yield made


def near(successes: int, total: int, truth: float) -> bool:
    return abs(successes / total - truth) <= 3 * (truth * (1 - truth) / total) ** 0.5


@pytest.mark.parametrize(("group", "truth"), [("any", 0.793), ("moderate_or_severe", 0.469)])
def test_weakness_is_as_common_as_planted(cohort, group, truth):
    (row,) = (
        r
        for r in cohort.mart("symptom_prevalence")
        if r["symptom_code"] == "muscle_weakness" and r["severity_group"] == group
    )
    assert near(row["patient_count"], row["denominator_count"], truth), row
    assert row["low_ratio"] <= truth <= row["high_ratio"]


@pytest.mark.parametrize(("group", "truth"), [("any", 0.986), ("moderate_or_severe", 0.851)])
def test_weakness_of_nrspms_is_as_common_as_planted(cohort, group, truth):
    counts = {
        r["severity_group"]: r["patient_count"]
        for r in cohort.mart("severity_by_course")
        if r["symptom_code"] == "muscle_weakness" and r["course"] == "nrspms"
    }
    assert counts["reporting"] > 250
    assert near(counts[group], counts["reporting"], truth), counts


def test_progressive_patients_fall_as_often_as_planted(cohort):
    """2.0 a year progressive and 0.6 relapsing; a cane, which few have, takes a little off."""
    rates = {r["course"]: r for r in cohort.mart("fall_rate") if r["fall_kind"] == "falls"}
    assert rates["relapsing"]["low_rate"] <= 0.6 <= rates["relapsing"]["high_rate"]
    for course in ("nrspms", "primary"):
        error = (rates[course]["high_rate"] - rates[course]["low_rate"]) / 4
        assert abs(rates[course]["rate"] - 2.0) <= 3 * error + 0.06, rates[course]


def test_nrspms_is_weaker_than_other_courses_of_the_same_ages(cohort):
    found = {
        r["course"]: r
        for r in cohort.mart("standardised_share")
        if r["symptom_code"] == "muscle_weakness" and r["severity_group"] == "moderate_or_severe"
    }
    assert found["nrspms"]["low_ratio"] > found["other_courses"]["high_ratio"]
