"""Doses: the latest that each taker states, in bands that no record decides."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from warehouse_records import AS_OF_AT

from flows.stages.cells import decide
from flows.stages.frame import label, publishable

AS_OF_ON = AS_OF_AT.date()
TO_MG = {"g": 1000, "mg": 1, "ug": Decimal("0.001")}


def in_words(amount: Decimal) -> str:
    return f"{float(amount):g}"


def band(amount: Decimal, unit: str, period: str) -> str:
    amount *= TO_MG[unit]
    start = Decimal("1e-9")
    while True:
        for first, end in ((1, 2), (2, 5), (5, 10)):
            if start * first <= amount < start * end:
                return f"{in_words(start * first)} {in_words(start * end)} mg {period}"
        start *= 10


@pytest.mark.parametrize("seed", range(4))
def test_the_latest_dose_of_each_taker_is_in_one_band(warehouse, seed):
    g = random.Random(seed)
    expected: Counter[tuple[str, str]] = Counter()
    for number in range(60):
        name = f"p{number}"
        is_counted = g.random() < 0.9
        warehouse.patient(name, consented=is_counted)
        for treatment in ("baclofen", "tizanidine"):
            found, is_taker = [], False
            for _ in range(g.randrange(4)):
                dose = (
                    Decimal(g.choice(["0.05", "0.2", "1", "1.99", "2", "4.5", "5", "9.99", "10", "1000"])),
                    g.choice(list(TO_MG)),
                    g.choice(["day", "week"]),
                )
                started = g.choice([None, date(2024, 1, 1), date(2025, 1, 1), AS_OF_ON, date(2099, 1, 1)])
                updated = g.choice([None, *(datetime(2025, 1, 1, hour, tzinfo=UTC) for hour in range(3))])
                mark = g.randrange(10**9)
                given = dict(zip(("dose_amount", "dose_unit", "dose_period"), (float(dose[0]), *dose[1:]), strict=True))
                if (lacks := g.random()) < 0.2:
                    given.pop(g.choice(list(given)))
                moments = {"started_on": started, "source_updated_at": updated}
                warehouse.add(
                    "treatment_episode", name, treatment_code=treatment, status="unknown", row_hash=mark,
                    **given, **{key: value for key, value in moments.items() if value},
                )  # fmt: skip
                is_past = started is None or started <= AS_OF_ON
                if lacks >= 0.2 and is_past:
                    early = datetime(1, 1, 1, tzinfo=UTC)
                    found.append((started or date.min, updated or early, mark, dose))
                is_taker |= is_counted and is_past
            if is_taker:
                expected[treatment, band(*max(found)[3]) if found else "not_stated"] += 1
    warehouse.build()
    rows = warehouse.mart("treatment_dose")
    assert {(row["treatment_code"], row["dose"]): row["patient_count"] for row in rows} == dict(expected)


def test_doses_leave_in_words_as_parts_of_all_takers(warehouse, details_of_all):
    doses = [(20, "day", 30), (60, "day", 14), (100, "month", 12), (5, "as_needed", 4)]
    number = 0
    for amount, period, count in [*doses, (None, None, 40)]:
        for _ in range(count):
            number += 1
            warehouse.patient(f"p{number}")
            given = {"dose_amount": amount, "dose_unit": "mg", "dose_period": period} if amount else {}
            warehouse.add("treatment_episode", f"p{number}", treatment_code="baclofen", status="current", **given)
    warehouse.build()
    cells = [cell for cell in warehouse.cells("who_reports", "treatment") if cell.table_id == "doses_native"]
    assert [(label(cell.dimension_1, cell.value_1), cell.cell_count) for cell in cells] == [
        ("5 to under 10 mg as needed", 4),
        ("20 to under 50 mg a day", 30),
        ("50 to under 100 mg a day", 14),
        ("100 to under 200 mg a month", 12),
        ("Dose not stated", 40),
    ]
    frame = publishable(
        warehouse.con, cells := warehouse.cells("who_reports", "treatment"), decide(cells, 11).hidden, 1, 1, AS_OF_AT
    ).to_pylist()
    states = {
        row["value_1"]: row["state"]
        for row in frame
        if (row["table_id"], row["statistic"]) == ("doses_native", "count")
    }
    # The four are hidden, and the smallest band beside them.
    assert states == {
        "5 10 mg as_needed": "suppressed",
        "20 50 mg day": "shown",
        "50 100 mg day": "shown",
        "100 200 mg month": "suppressed",
        "not_stated": "shown",
    }


def test_bands_stand_from_small_to_large_whatever_other_treatments_have(warehouse, details_of_all):
    """Another treatment, of which there are fewer bands, must not move "not stated" before a band it has not."""
    given = {"baclofen": [12, 20, 60, None], "amantadine": [20, None]}
    for code, amounts in given.items():
        for amount in amounts:
            for at in range(12):
                name = f"{code} {amount} {at}"
                warehouse.patient(name)
                dose = {"dose_amount": amount, "dose_unit": "mg", "dose_period": "day"} if amount else {}
                warehouse.add("treatment_episode", name, treatment_code=code, status="current", **dose)
    warehouse.build()
    cells = [cell for cell in warehouse.cells("who_reports", "treatment") if cell.table_id == "doses_native"]
    order = [cell.value_1 for cell in cells if cell.subject == "baclofen"]
    assert order == ["10 20 mg day", "20 50 mg day", "50 100 mg day", "not_stated"]
