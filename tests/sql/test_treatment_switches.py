"""What those who stopped a treatment began next: cases by hand, a slow version on random warehouses, and what leaves of it."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

import modes
import pytest
from warehouse_records import AS_OF_AT, Warehouse

from flows.stages.cells import decide, relations_of
from flows.stages.frame import publishable

AS_OF_ON = AS_OF_AT.date()
BEGIN, STOP = date(2024, 1, 1), date(2024, 9, 1)
STRATEGY = {
    "baclofen": "medication", "dalfampridine": "medication", "tizanidine": "medication", "yoga": "exercise", "swimming": "exercise",
}  # fmt: skip


def use(warehouse, treatment, started=BEGIN, stopped=None, name="p", source="canonical", **values):
    state = {"status": "stopped", "stopped_on": stopped} if stopped else {"status": "current"}
    warehouse.add(
        "treatment_episode", name, source, treatment_code=treatment, purpose_codes=["spasticity"], started_on=started,
        **(state | {k: v for k, v in values.items() if v is not None}),
    )  # fmt: skip


def counted(warehouse) -> Counter:
    rows = warehouse.mart("treatment_switch")
    return +Counter({(r["source_family"], r["treatment_code"], r["next_treatment"]): r["patient_count"] for r in rows})


def after_baclofen(warehouse) -> set[str]:
    warehouse.build()
    return {following for _, treatment, following in counted(warehouse) if treatment == "baclofen"}


NONE, NOT_FOLLOWED = {"followed", "none_known"}, {"not_followed"}


def to(following):
    return {"followed", "switched", following}


@pytest.fixture
def patient(warehouse):
    warehouse.patient("p")
    return warehouse


@pytest.mark.parametrize(("days", "is_next"), [(-31, False), (-30, True), (0, True), (90, True), (91, False)])
def test_next_is_what_began_from_30_days_before_the_stop_to_90_days_after_it(patient, days, is_next):
    use(patient, "baclofen", stopped=STOP)
    use(patient, "tizanidine", STOP + timedelta(days=days))
    assert after_baclofen(patient) == (to("tizanidine") if is_next else NONE)


@pytest.mark.parametrize(("days", "expected"), [(89, NOT_FOLLOWED), (90, NONE)])
def test_a_stop_is_followed_for_90_days_or_not_at_all(patient, days, expected):
    use(patient, "baclofen", stopped=AS_OF_ON - timedelta(days=days))
    assert after_baclofen(patient) == expected


def test_a_stop_of_late_is_not_followed_though_the_next_has_begun(patient):
    """Else those who switch fast would be counted, and those who wait would not."""
    use(patient, "baclofen", stopped=AS_OF_ON - timedelta(days=20))
    use(patient, "tizanidine", AS_OF_ON - timedelta(days=19))
    assert after_baclofen(patient) == NOT_FOLLOWED


@pytest.mark.parametrize(("precision", "expected"), [("month", to("tizanidine")), ("year", NOT_FOLLOWED)])
def test_a_stop_must_be_known_to_the_month(patient, precision, expected):
    use(patient, "baclofen", stopped=date(2024, 1, 1), stopped_on_precision=precision, started=date(2023, 1, 1))
    use(patient, "tizanidine", date(2024, 4, 14))  # 90 days after the 15th
    assert after_baclofen(patient) == expected


def test_a_next_treatment_known_by_year_is_not_known_to_be_next(patient):
    use(patient, "baclofen", stopped=STOP)
    use(patient, "tizanidine", STOP, started_on_precision="year")
    assert after_baclofen(patient) == NONE


@pytest.mark.parametrize("gap", [30, 60])
def test_the_same_treatment_taken_up_again_is_no_switch(patient, gap):
    use(patient, "baclofen", stopped=STOP)
    use(patient, "baclofen", STOP + timedelta(days=gap), STOP + timedelta(days=gap + 20))
    assert after_baclofen(patient) == NONE


def test_a_stop_that_was_a_pause_is_no_stop(patient):
    use(patient, "baclofen", stopped=STOP)
    use(patient, "tizanidine", STOP + timedelta(days=5))
    use(patient, "baclofen", STOP + timedelta(days=30))
    assert after_baclofen(patient) == set()


def test_a_raised_dose_of_another_is_not_begun_anew(patient):
    use(patient, "baclofen", stopped=STOP)
    use(patient, "tizanidine", BEGIN, STOP + timedelta(days=10), dose_amount=4)
    use(patient, "tizanidine", STOP + timedelta(days=10), dose_amount=8)
    assert after_baclofen(patient) == NONE


def test_another_strategy_is_no_next_treatment(patient):
    use(patient, "baclofen", stopped=STOP)
    use(patient, "yoga", STOP)
    assert after_baclofen(patient) == NONE


@pytest.mark.parametrize(("days", "expected"), [(0, NONE), (1, to("tizanidine"))])
def test_what_began_with_it_did_not_follow_it(patient, days, expected):
    """A trial of ten days: what began on its first day stood beside it."""
    use(patient, "baclofen", STOP, STOP + timedelta(days=10))
    use(patient, "tizanidine", STOP + timedelta(days=days))
    assert after_baclofen(patient) == expected


def test_the_first_begun_is_next_and_two_of_one_day_are_several(patient):
    use(patient, "baclofen", stopped=STOP)
    use(patient, "tizanidine", STOP + timedelta(days=1))
    use(patient, "dalfampridine", STOP + timedelta(days=2))
    patient.patient("q")
    use(patient, "baclofen", stopped=STOP, name="q")
    use(patient, "tizanidine", STOP, name="q")
    use(patient, "dalfampridine", STOP, name="q")
    patient.build()
    found = {key[2]: n for key, n in counted(patient).items() if key[1] == "baclofen"}
    assert found == {"followed": 2, "switched": 2, "tizanidine": 1, "several": 1}


# --- against a slow version ---


class World:
    """Patients with up to two spans of each treatment, a few days or months apart; the last may be in use."""

    def __init__(self, seed: int, warehouse: Warehouse, crowd: int) -> None:
        g = random.Random(seed)
        self.warehouse = warehouse
        self.spans: dict[tuple[str, str], dict[str, list[dict]]] = {}  # (family, name) -> treatment -> spans
        for number in range(crowd):
            name, source = f"p{number}", g.choice(["canonical", "canonical", "canonical", "druglib"])
            is_counted = g.random() < 0.9
            warehouse.patient(name, source=source, consented=is_counted)
            taken = {treatment: self._take(g, name, treatment, source) for treatment in STRATEGY if g.random() < 0.7}
            if is_counted:
                self.spans["druglib" if source == "druglib" else "native", name] = taken

    def _take(self, g: random.Random, name: str, treatment: str, source: str) -> list[dict]:
        start = date(2024, 6, 1) + timedelta(days=g.randrange(0, 200, 40))
        count, spans = g.choice([1, 1, 2]), []
        for number in range(count):
            stop = start + timedelta(days=g.choice([10, 20, 40, 80]))
            is_last = number == count - 1
            span = {
                "started": start,
                "stopped": stop if not is_last or g.random() < 0.7 else None,
                "started_on_precision": g.choice(["day"] * 5 + ["month", "year"]),
                "stopped_on_precision": g.choice(["day", "day", "day", "month", "year"]) if is_last else "day",
            }
            if span["stopped"] is None:
                span["stopped_on_precision"] = None
            use(self.warehouse, treatment, name=name, source=source, **span)
            spans.append(span)
            start = stop + timedelta(days=g.choice([5, 30, 31, 70]))
        return spans


def slow_courses(spans: list[dict]) -> list[tuple[date | None, date | None, bool]]:
    """(day of the start, day of the stop, whether it is over) of each course."""
    courses: list[list[dict]] = []
    for span in spans:
        if courses and (span["started"] - courses[-1][-1]["stopped"]).days <= 30:
            courses[-1].append(span)
        else:
            courses.append([span])
    found = []
    for course in courses:
        first, last = course[0], course[-1]
        own_stop, stop = _middle(first["stopped"], first["stopped_on_precision"]), last["stopped"]
        start = _middle(first["started"], first["started_on_precision"])
        if start and first["started_on_precision"] == "month":
            start = min(start, own_stop or AS_OF_ON)
        found.append((start, _middle(stop, last["stopped_on_precision"]), stop is not None))
    return found


def _middle(day: date | None, precision: str | None) -> date | None:
    if day is None or precision == "year":
        return None
    return day + timedelta(days=14) if precision == "month" else day


def slow_switches(world: World) -> Counter:
    expected: Counter = Counter()
    for (family, _), taken in world.spans.items():
        courses = {treatment: slow_courses(spans) for treatment, spans in taken.items()}
        for treatment, own in courses.items():
            start, stop, is_over = own[-1]
            if not is_over:
                continue
            if stop is None or (AS_OF_ON - stop).days < 90:
                expected[family, treatment, "not_followed"] += 1
                continue
            expected[family, treatment, "followed"] += 1
            begun: dict[date, set[str]] = {}
            for other, theirs in courses.items():
                if other == treatment or STRATEGY[other] != STRATEGY[treatment]:
                    continue
                for day, _, _ in theirs:
                    if day and -30 <= (day - stop).days <= 90 and (start is None or day > start):
                        begun.setdefault(day, set()).add(other)
            first = begun[min(begun)] if begun else set()
            for following in (
                [next(iter(first)) if len(first) == 1 else "several", "switched"] if first else ["none_known"]
            ):
                expected[family, treatment, following] += 1
    return expected


# Of 17 faults planted in these marts that any of the four shows, 2 shows all.
@pytest.mark.parametrize("seed", modes.share((0, 2), range(4)))
def test_switches_agree_with_a_slow_version(seed, new_warehouse):
    with new_warehouse() as con:
        world = World(seed, Warehouse(con), 120)
        world.warehouse.build()
        expected = slow_switches(world)
        assert len(expected) > 30
        assert counted(world.warehouse) == expected
        # Fingerprints add up as counts do.
        rows = world.warehouse.mart("treatment_switch")
        marks = {(r["source_family"], r["treatment_code"], r["next_treatment"]): r["patient_set"] for r in rows}
        for family, treatment, following in marks:
            if following == "followed":
                key = (family, treatment)
                assert marks[*key, "followed"] == marks[*key, "none_known"] ^ marks[*key, "switched"]
                parts = [mark for (f, t, n), mark in marks.items() if (f, t) == key and n in (*STRATEGY, "several")]
                whole = 0
                for mark in parts:
                    whole ^= mark
                assert whole == marks[*key, "switched"]


# --- what leaves ---


def crowd(warehouse, count, following, name):
    """So many who stopped baclofen; `following` is what they began the day after, if anything."""
    for number in range(count):
        warehouse.patient(f"{name} {number}")
        use(warehouse, "baclofen", stopped=STOP, name=f"{name} {number}")
        if following:
            use(warehouse, following, STOP + timedelta(days=1), name=f"{name} {number}")


def released(warehouse):
    """(cells by key, {(value, statistic): row} of switches from baclofen)"""
    warehouse.build()
    cells = warehouse.cells("who_reports", "treatment")
    hidden = decide(cells, 11).hidden
    rows = publishable(warehouse.con, cells, hidden, 1, 1, AS_OF_AT).to_pylist()
    switches = [row for row in rows if row["table_id"] == "switches_native" and row["subject"] == "baclofen"]
    return cells, {(row["value_1"], row["statistic"]): row for row in switches}, rows


STOPPED = "condition=ms|source_family=native|treatment=baclofen|use=stopped"


def test_parts_add_up_and_carry_the_words_of_the_code_list(warehouse, details_of_all):
    crowd(warehouse, 20, "tizanidine", "t")
    crowd(warehouse, 15, "dantrolene", "d")
    crowd(warehouse, 30, None, "n")
    cells, rows, _ = released(warehouse)
    count = {value: rows[value, "count"]["value"] for value, _ in rows}
    assert count == {"none_known": 30, "switched": 35, "tizanidine": 20, "dantrolene": 15}
    assert rows["tizanidine", "share"]["value"] == pytest.approx(20 / 65)
    assert rows["tizanidine", "share"]["label_1"] == "Tizanidine"
    assert [value for value, statistic in rows if statistic == "count"] == ["none_known", "switched", "dantrolene", "tizanidine"]  # fmt: skip
    relations = relations_of(cells)
    sums = {relation.parent: set(relation.children) for relation in relations.relations}
    names = relations.names
    assert sums[names[f"{STOPPED}|next=switched"]] == {
        names[f"{STOPPED}|next={n}"] for n in ("tizanidine", "dantrolene")
    }


def test_few_who_began_another_are_hidden_and_nothing_shown_before_is(warehouse, details_of_all):
    """Three of 65 began dantrolene: neither they nor what would give them away is shown; who stopped, and why, stays."""
    crowd(warehouse, 20, "tizanidine", "t")
    crowd(warehouse, 3, "dantrolene", "d")
    crowd(warehouse, 30, None, "n")
    for treatment in ("baclofen", "tizanidine", "dantrolene"):  # others, so that no two counts are of the same patients
        for number in range(26):
            name = f"o {treatment} {number}"
            warehouse.patient(name)
            use(
                warehouse,
                treatment,
                stopped=date(2023, 6, 1) if number < 12 else None,
                started=date(2023, 1, 1),
                name=name,
            )
    cells, rows, everything = released(warehouse)
    assert rows["dantrolene", "count"]["state"] == "suppressed"
    assert "suppressed" in (rows["switched", "count"]["state"], rows["tizanidine", "count"]["state"])
    (stopped,) = (r for r in everything if r["cell_key"] == STOPPED and r["statistic"] == "count")
    assert (stopped["state"], stopped["value"]) == ("shown", 65)
    others = [cell for cell in cells if cell.table_id != "switches_native"]
    keys = {cell.cell_key for cell in others}
    assert decide(cells, 11).hidden & keys == decide(others, 11).hidden & keys


def test_who_stopped_of_late_is_none_known_whatever_they_began(warehouse, details_of_all):
    """Apart they would be a few, and hide all others."""
    crowd(warehouse, 40, None, "n")
    crowd(warehouse, 20, "tizanidine", "t")
    for number in range(4):
        warehouse.patient(f"late {number}")
        use(warehouse, "baclofen", stopped=AS_OF_ON - timedelta(days=5), name=f"late {number}")
        use(warehouse, "tizanidine", AS_OF_ON - timedelta(days=5), name=f"late {number}")
    cells, _, _ = released(warehouse)
    switches = [cell for cell in cells if cell.table_id == "switches_native" and cell.subject == "baclofen"]
    assert {cell.value_1: cell.cell_count for cell in switches} == {"none_known": 44, "switched": 20, "tizanidine": 20}
    assert {cell.denominator_key for cell in switches} == {STOPPED}


@pytest.mark.parametrize(("takers", "found"), [(99, set()), (100, {"none_known", "switched"})])
def test_switches_are_told_of_treatments_that_a_hundred_have_taken_and_which_of_three_hundred(warehouse, takers, found):
    crowd(warehouse, 20, "tizanidine", "t")
    for number in range(takers - 20):
        warehouse.patient(f"c {number}")
        use(warehouse, "baclofen", name=f"c {number}")
    warehouse.build()
    cells = [cell for cell in warehouse.cells("who_reports", "treatment") if cell.table_id == "switches_native"]
    assert {cell.value_1 for cell in cells} == found
    assert all(cell.is_expendable and cell.subject == "baclofen" for cell in cells)


def test_translated_sources_have_no_switches_of_their_own(warehouse, details_of_all):
    warehouse.patient("d", source="druglib")
    use(warehouse, "baclofen", stopped=STOP, name="d", source="druglib")
    use(warehouse, "tizanidine", STOP, name="d", source="druglib")
    warehouse.build()
    assert not [cell for cell in warehouse.cells("who_reports", "treatment") if cell.table_id.startswith("switches")]
