"""The cells of the topics on who reports, symptoms, weakness and daily life: sums hold, nested sets leave remainders, words are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

import modes
import pytest
from test_symptom_marts_against_oracle import World
from warehouse_records import AS_OF_AT, Warehouse, nobody

from flows.stages.cells import CellRelations, decide, read_cells, relations_of
from flows.stages.frame import label, publishable
from schemas.topics import topics

AS_OF_ON = AS_OF_AT.date()
OWN = ("who_reports", "symptoms", "weakness", "daily_life")
WINDOW = "condition=ms|window=365d"
WEAK = f"{WINDOW}|symptom=muscle_weakness"
# Values of these have no other words than themselves.
NAMES_THEMSELVES = ("quarter", "age_band")


# Of the six, one of few patients, whose cells are decided on, and the one with cells for most values of dimensions.
@pytest.fixture(scope="module", params=modes.share((100, 103), range(100, 106)))
def world(request, new_warehouse) -> Iterator[World]:
    with new_warehouse() as con:
        made = World(request.param, Warehouse(con))
        made.warehouse.build_all()
        made.cells = read_cells(con)
        yield made


def report(warehouse, name, symptom, severity, on=AS_OF_ON, **values):
    warehouse.add("symptom_report", name, symptom_code=symptom, severity=severity, reported_on=on, **values)


def cells_of(warehouse) -> dict:
    warehouse.build_all()
    return {cell.cell_key: cell for cell in read_cells(warehouse.con)}


def test_sums_hold_and_nothing_of_few_is_shown(world):
    cells = world.cells
    relations = relations_of(cells)
    for relation in relations.relations:
        assert relations.counts[relation.parent] == sum(relations.counts[part] for part in relation.children), relation
    if len(world.counted) > 10:
        return  # the audit of so many small cells takes too long for a test
    decided = decide(cells, 11)
    shown = [c for c in cells if c.unit == "patients" and c.cell_key not in decided.hidden]
    assert not [c.cell_key for c in shown if 0 < c.cell_count < 11]
    frame = publishable(world.warehouse.con, cells, decided.hidden, 1, 1, AS_OF_AT).to_pylist()
    assert not [row for row in frame if row["n_patients"] is not None and 0 < row["n_patients"] < 11]


def test_every_table_value_and_statistic_has_words(world):
    tables = {table.table_id for topic in topics() for table in topic.tables}
    said = {name for topic in topics() for name in topic.statistics}
    for cell in world.cells:
        if cell.topic not in OWN:
            continue
        assert cell.table_id in tables
        for dimension, value in ((cell.dimension_1, cell.value_1), (cell.dimension_2, cell.value_2)):
            assert not dimension or dimension in NAMES_THEMSELVES or label(dimension, value) != value, (
                dimension,
                value,
            )
        assert {found.statistic for found in cell.statistics} <= said


def test_a_cell_has_one_set_of_patients_in_every_table(world):
    found: dict = {}
    for cell in world.cells:
        assert found.setdefault(cell.cell_key, (cell.cell_count, cell.patient_set)) == (
            cell.cell_count,
            cell.patient_set,
        )


def test_a_report_of_nobody_can_be_made(after):
    warehouse = after(nobody)
    warehouse.as_of()
    decide(read_cells(warehouse.con), 11)


@pytest.mark.parametrize("given", ["a member without consent", "a patient who reports nothing", "fatigue alone"])
def test_a_report_of_almost_nothing_can_be_made(warehouse, given):
    warehouse.patient("a", consented=given != "a member without consent")
    if given == "fatigue alone":
        report(warehouse, "a", "fatigue", 2)
        warehouse.add("activity_limitation", "a", activity_code="walking", difficulty=2, reported_on=AS_OF_ON)
    warehouse.build_all()
    decide(read_cells(warehouse.con), 11)


@pytest.fixture(scope="module")
def nested(new_warehouse) -> tuple[dict, CellRelations]:
    """Cells by key, and their relations, of four patients who are in some sets and not in others."""
    with new_warehouse() as con:
        warehouse = Warehouse(con)
        nrspms = {"ms_course": "spms", "is_relapse_free_24_months": True}
        for name, severity in (("a", 2), ("b", 1), ("c", 3)):
            warehouse.patient(name, **nrspms)
            report(warehouse, name, "muscle_weakness", severity, is_worse_with_heat=name == "a" or None)
        warehouse.patient("d", **nrspms)
        report(warehouse, "a", "fatigue", 2)
        report(warehouse, "a", "posture", 2)
        report(warehouse, "b", "posture", 1)
        report(warehouse, "c", "fatigue", 1)
        warehouse.add("activity_limitation", "a", activity_code="walking", difficulty=3, reported_on=AS_OF_ON)
        period = {"period_started_on": AS_OF_ON - timedelta(days=9), "period_ended_on": AS_OF_ON}
        warehouse.add("fall_report", "a", fall_count=2, injurious_fall_count=0, **period)
        warehouse.add("fall_report", "b", fall_count=1, injurious_fall_count=1, **period)
        warehouse.build_all()
        cells = read_cells(con)
        return {cell.cell_key: cell for cell in cells}, relations_of(cells)


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("condition=ms", f"{WINDOW}|reported=any"),
        (f"{WINDOW}|reported=any", WEAK),
        (f"{WINDOW}|reported=any", f"{WINDOW}|reported=falls"),
        (f"{WINDOW}|reported=any", f"{WINDOW}|activity=walking"),
        (f"{WINDOW}|symptom=fatigue|severity=any", f"{WINDOW}|co_reported=fatigue+posture"),
        (f"{WINDOW}|symptom=posture|severity=any", f"{WINDOW}|co_reported=fatigue+posture"),
        (f"{WEAK}|severity=any", f"{WEAK}|severity=any|heat=answered"),
        (f"{WEAK}|severity=any|heat=answered", f"{WEAK}|severity=any|heat=worse"),
        (f"{WEAK}|severity=moderate_or_severe", f"{WINDOW}|symptom=posture|weakness=moderate_or_severe"),
        (WEAK, f"{WEAK}|severity=none_or_mild"),
        ("condition=ms|ms_course=spms|nrspms=yes", f"{WEAK}|ms_course=spms|nrspms=yes"),
        (f"{WINDOW}|falls=any", f"{WINDOW}|falls=injurious"),
        ("condition=ms|ms_course=spms|nrspms=yes", f"{WINDOW}|reported=falls|ms_course=spms|nrspms=yes"),
        ("condition=ms|year_to=2025-06-30|symptom=fatigue", "condition=ms|year_to=2025-06-30|symptom=fatigue|severity=moderate_or_severe"),
    ],
)  # fmt: skip
def test_a_part_of_a_set_leaves_a_remainder(nested, whole, part):
    """Else the few who are of the one and not of the other could be told by subtraction."""
    cells, relations = nested
    counts, names = relations.counts, relations.names
    assert counts[names[f"{whole} but not {part}"]] == cells[whole].cell_count - cells[part].cell_count


def test_a_rate_of_falls_is_hidden_where_it_could_tell_how_many_fell(warehouse):
    """40 patients, 3 of whom fell once: 3 falls over all time are 3 patients."""
    period = {"period_started_on": AS_OF_ON - timedelta(days=29), "period_ended_on": AS_OF_ON}
    for number in range(40):
        warehouse.patient(f"p{number}")
        warehouse.add("fall_report", f"p{number}", fall_count=int(number < 3), injurious_fall_count=0, **period)
    warehouse.build_all()
    cells = read_cells(warehouse.con)
    frame = publishable(warehouse.con, cells, decide(cells, 11).hidden, 1, 1, AS_OF_AT).to_pylist()
    states = {
        row["statistic"]: row["state"] for row in frame if row["table_id"] == "falls" and row["value_1"] == "reporting"
    }
    assert states["falls_per_patient_year"] == states["injurious_falls_per_patient_year"] == "suppressed"


def test_bounds_for_the_missing_count_them_as_all_or_none(warehouse):
    """Of 100 patients 60 reported, 24 of them moderate or severe: at least 24 %, at most 64 %."""
    for number in range(100):
        warehouse.patient(f"p{number}")
        if number < 60:
            report(warehouse, f"p{number}", "muscle_weakness", 2 if number < 24 else number % 2)
    warehouse.build_all()
    cells = read_cells(warehouse.con)
    frame = publishable(warehouse.con, cells, decide(cells, 11).hidden, 1, 1, AS_OF_AT).to_pylist()
    found = {
        row["statistic"]: row["value"]
        for row in frame
        if row["table_id"] == "symptom_severity" and row["value_2"] == "moderate_or_severe"
    }
    assert found["share_if_missing_without"] == pytest.approx(0.24)
    assert found["share_if_missing_with"] == pytest.approx(0.64)
    assert found["share"] == pytest.approx(0.40)


def test_a_year_to_the_day_of_the_report_is_the_window(warehouse):
    """The last quarter ends on the day of the report: the same patients, so hidden in one table is hidden in both."""
    warehouse.patient("a")
    report(warehouse, "a", "fatigue", 2, on=AS_OF_ON - timedelta(days=364))
    warehouse.patient("b")
    report(warehouse, "b", "fatigue", 2, on=AS_OF_ON - timedelta(days=365))
    cells = cells_of(warehouse)
    assert cells["condition=ms|year_to=2025-06-30|symptom=fatigue"].cell_count == 1
    names = relations_of(list(cells.values())).names
    assert names["condition=ms|year_to=2025-06-30|symptom=fatigue"] == names[f"{WINDOW}|symptom=fatigue"]
    assert cells["condition=ms|year_to=2024-09-30|symptom=fatigue"].cell_count == 2


def test_quarters_end_on_the_last_of_a_month(warehouse):
    warehouse.build()
    rows = {r["quarter"]: (r["from_on"], r["to_on"]) for r in warehouse.mart("quarter")}
    assert sorted(rows) == [
        "2023-Q3",
        "2023-Q4",
        "2024-Q1",
        "2024-Q2",
        "2024-Q3",
        "2024-Q4",
        "2025-Q1",
        "2025-Q2",
    ]
    assert rows["2024-Q1"] == (date(2024, 1, 1), date(2024, 3, 31))
    assert rows["2025-Q2"] == (date(2025, 4, 1), date(2025, 6, 30))


@pytest.mark.parametrize("topic", [t for t in topics() if t.topic in OWN], ids=lambda t: t.topic)
def test_no_word_claims_an_effect(topic):
    texts = [topic.lead, *topic.caveats, *topic.statistics.values()]
    texts += [text for table in topic.tables for text in (table.title, table.of_whom, *table.notes)]
    texts += [text for given in topic.words.values() for text in given.values()]
    claimed = re.compile(
        r"\b(works?|worked|caus(es?|ed|ing)|proves?|proven|effective|benefits?|improves?|leads? to|due to)\b",
        re.IGNORECASE,
    )
    assert not [text for text in texts if claimed.search(text)]
