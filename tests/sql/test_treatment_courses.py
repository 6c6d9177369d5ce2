"""Courses of treatment: which spans are one, where a course stands as of a day, and what is known of it last."""

from __future__ import annotations

import random
from datetime import date, timedelta

import modes
import pytest
from warehouse_records import AS_OF_AT, Warehouse, as_uuid

AS_OF_ON = AS_OF_AT.date()
FAR = date(9999, 1, 1)


def span(warehouse, started, stopped=None, name="p", **values):
    if stopped:
        values = {"status": "stopped", "stopped_on": stopped} | values
    return warehouse.add("treatment_episode", name, treatment_code="baclofen", started_on=started, **values)


def courses(warehouse):
    warehouse.con.execute("SET VARIABLE as_of_batch = 1")
    warehouse.con.execute("SET VARIABLE as_of_at = $at", {"at": AS_OF_AT})
    return warehouse.rows("SELECT * FROM core.treatment_course ORDER BY patient_id, treatment_code, course_number")


@pytest.fixture
def patient(warehouse):
    warehouse.patient("p")
    return warehouse


@pytest.mark.parametrize(("gap", "count"), [(0, 1), (30, 1), (31, 2)])
def test_spans_at_most_30_days_apart_are_one_course(patient, gap, count):
    span(patient, date(2024, 1, 1), date(2024, 1, 31))
    span(patient, date(2024, 1, 31) + timedelta(days=gap), date(2024, 12, 31))
    found = courses(patient)
    assert len(found) == count
    assert found[0]["started_on"] == date(2024, 1, 1)
    assert found[-1]["stopped_on"] == date(2024, 12, 31)
    assert sum(row["span_count"] for row in found) == 2


def test_a_longer_span_bridges_what_a_later_shorter_one_does_not(patient):
    span(patient, date(2024, 1, 1), date(2024, 10, 1))
    span(patient, date(2024, 2, 1), date(2024, 3, 1))
    span(patient, date(2024, 10, 20), date(2024, 11, 1))
    (course,) = courses(patient)
    assert (course["span_count"], course["stopped_on"]) == (3, date(2024, 11, 1))


def test_a_raised_dose_is_no_stop(patient):
    span(patient, date(2024, 1, 1), date(2024, 1, 29), dose_amount=15)
    span(patient, date(2024, 1, 29), status="current", last_confirmed_on=date(2025, 3, 1), dose_amount=40)
    (course,) = courses(patient)
    assert (course["status"], course["stopped_on"], course["last_confirmed_on"]) == ("current", None, date(2025, 3, 1))


def test_another_treatment_is_another_course(patient):
    span(patient, date(2024, 1, 1), date(2024, 1, 29))
    patient.add("treatment_episode", "p", treatment_code="tizanidine", started_on=date(2024, 2, 1), status="current")
    assert len(courses(patient)) == 2


def test_the_latest_word_decides_whether_it_is_in_use(patient):
    """One dose was given up after the other was last confirmed."""
    span(patient, date(2024, 1, 1), status="current", last_confirmed_on=date(2024, 2, 1))
    span(patient, date(2024, 1, 15), date(2024, 5, 1), stop_reasons=["cost"])
    (course,) = courses(patient)
    assert (course["status"], course["stop_reasons"]) == ("stopped", ["cost"])


def test_a_stop_after_the_day_of_the_report_is_none_yet(patient):
    span(patient, date(2024, 1, 1), AS_OF_ON + timedelta(days=1), stop_reasons=["cost"])
    span(patient, AS_OF_ON + timedelta(days=2), status="current")
    (course,) = courses(patient)
    assert (course["status"], course["stopped_on"], course["stop_reasons"]) == ("current", None, [])
    assert course["last_confirmed_on"] == AS_OF_ON


def test_a_month_counts_by_its_15th_and_a_year_by_nothing(patient):
    span(patient, date(2024, 1, 1), started_on_precision="month", status="current")
    span(patient, date(2020, 1, 1), date(2021, 1, 1), started_on_precision="year", stopped_on_precision="year")
    span(patient, date(2022, 3, 1), date(2022, 3, 4), started_on_precision="month")
    early, short, late = courses(patient)
    assert (late["start_day"], late["started_on"]) == (date(2024, 1, 15), date(2024, 1, 1))
    assert (early["start_day"], early["stop_day"]) == (None, None)
    assert (short["start_day"], short["stop_day"]) == (date(2022, 3, 4), date(2022, 3, 4))


def test_a_stop_known_by_year_reaches_to_its_end(patient):
    span(patient, date(2020, 1, 1), date(2021, 1, 1), stopped_on_precision="year")
    span(patient, date(2022, 1, 20), date(2022, 2, 1))
    assert len(courses(patient)) == 1


def test_spans_without_a_start_stand_alone(patient):
    span(patient, None, status="unknown")
    span(patient, None, status="stopped")
    span(patient, date(2024, 1, 1), status="current")
    assert [row["status"] for row in courses(patient)].count("unknown") == 1
    assert len(courses(patient)) == 3


def test_the_report_counts_courses_of_consented_patients_with_ms(warehouse):
    warehouse.patient("p")
    warehouse.patient("q", consented=False)
    warehouse.patient("r", condition_code="other")
    for name in ("p", "q", "r"):
        span(warehouse, date(2024, 1, 1), name=name, status="current")
    warehouse.build()
    assert [str(row["patient_id"]) for row in warehouse.mart("treatment_course")] == [as_uuid("p")]


# --- against a slow version ---


def last_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def slow_courses(spans):
    """Spans of one patient and treatment -> [(started_on, span count, status, stopped_on, last known on)]."""
    known = []
    for s in spans:
        if s["started_on"] and s["started_on"] > AS_OF_ON:
            continue
        stop, status, confirmed = s["stopped_on"], s["status"], s["last_confirmed_on"]
        if stop and stop > AS_OF_ON:
            stop, status, confirmed = None, "current", AS_OF_ON
        elif stop:
            status = "stopped"
        by = stop
        if stop and s["stopped_on_precision"] == "month":
            by = last_of_month(stop)
        if stop and s["stopped_on_precision"] == "year":
            by = date(stop.year, 12, 31)
        confirmed = min(confirmed, AS_OF_ON) if confirmed else None
        seen = (by if status == "stopped" else None) or confirmed or s["started_on"]
        known.append({**s, "status": status, "stop": stop, "seen": seen, "end": FAR if status == "current" else seen})
    groups, reach = [], None
    # A uuid compares as its text does.
    for s in sorted(known, key=lambda s: (s["started_on"] or FAR, s["end"] or FAR, s["id"])):
        if not groups or s["started_on"] is None or reach is None or (s["started_on"] - reach).days > 30:
            groups.append([])
        groups[-1].append(s)
        reach = max(reach or date.min, s["end"] or date.min) if s["end"] else reach
    found = []
    for group in groups:
        last = min(group, key=lambda s: (-(s["seen"] or date.min).toordinal(), s["status"] != "current", s["id"]))
        seen = [s["seen"] for s in group if s["seen"]]
        found.append((group[0]["started_on"], len(group), last["status"], last["stop"], max(seen, default=None)))
    return found


@pytest.mark.parametrize("seed", modes.share(range(6), range(15)))
def test_courses_agree_with_a_slow_version(seed, new_warehouse):
    g = random.Random(seed)
    with new_warehouse() as con:
        warehouse = Warehouse(con)
        expected = {}
        for number in range(12):
            warehouse.patient(f"p{number}")
            spans = []
            for _ in range(g.randrange(1, 6)):
                start = g.choice([None, *[date(2025, 1, 1) + timedelta(days=g.randrange(200)) for _ in range(5)]])
                status = g.choice(["current", "stopped", "unknown"])
                base = start or date(2025, 2, 1)
                s = {
                    "started_on": start,
                    "status": status,
                    "stopped_on": base + timedelta(days=g.randrange(90))
                    if status == "stopped" and g.random() < 0.8
                    else None,
                    "stopped_on_precision": None,
                    "last_confirmed_on": g.choice([None, base + timedelta(days=g.randrange(120))]),
                }
                if s["stopped_on"]:
                    s["stopped_on_precision"] = g.choice(["day", "day", "month", "year"])
                    s["last_confirmed_on"] = None
                record = warehouse.add(
                    "treatment_episode", f"p{number}", treatment_code="yoga", **{k: v for k, v in s.items() if v}
                )
                spans.append({**s, "id": as_uuid(f"treatment_episode {record}")})
            expected[as_uuid(f"p{number}")] = slow_courses(spans)
        found = {patient: [] for patient in expected}
        for row in courses(warehouse):
            found[str(row["patient_id"])].append(
                (row["started_on"], row["span_count"], row["status"], row["stopped_on"], row["last_confirmed_on"])
            )
        assert found == expected
