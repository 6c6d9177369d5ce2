"""What of treatments leaves in a release, beside what it is hidden, and what is never pooled."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatch

import pytest
from scipy import stats
from warehouse_records import Warehouse, details_of_every_treatment

from flows.stages.cells import decide, relations_of
from flows.stages.frame import publishable
from schemas.topics import topics, words

AS_OF_AT = datetime(2025, 6, 30, 12, tzinfo=UTC)
BEGIN = date(2024, 1, 1)
MINIMUM = 11


def take(warehouse, name, treatment="baclofen", level=None, source="canonical", purpose="spasticity", **values):
    record = warehouse.add(
        "treatment_episode", name, source, treatment_code=treatment, purpose_codes=[purpose] if purpose else [],
        **({"started_on": BEGIN, "status": "current", "last_confirmed_on": date(2025, 6, 1)} | values),
    )  # fmt: skip
    if level:
        warehouse.add(
            "treatment_evaluation", name, source, episode=record, purpose_code=purpose, effectiveness=level,
            side_effect_severity="mild", side_effect_codes=["dizziness"], evaluated_on=date(2025, 1, 1),
        )  # fmt: skip


def rate(warehouse, treatment, source="canonical", purpose="spasticity", unrated=0, **levels):
    """So many patients of their own for each level."""
    number = 0
    for level, count in {**levels, "unrated": unrated}.items():
        for _ in range(count):
            number += 1
            name = f"{treatment} {source} {purpose} {number}"
            warehouse.patient(name, source=source, enrolled_on=date(2023, 1, 1))
            take(warehouse, name, treatment, None if level == "unrated" else level, source, purpose)


def figures(warehouse):
    """(cells by key, rows of the frame by table, subject, first and second value and statistic)"""
    warehouse.build()
    cells = warehouse.cells("who_reports", "treatment")
    decided = decide(cells, MINIMUM)
    frame = publishable(warehouse.con, cells, decided.hidden, 1, 1, AS_OF_AT)
    rows = {(r["table_id"], r["subject"], r["value_1"], r["value_2"], r["statistic"]): r for r in frame.to_pylist()}
    return {cell.cell_key: cell for cell in cells}, rows


@pytest.fixture
def released(warehouse, details_of_all):
    return lambda: figures(warehouse)


@pytest.fixture(scope="module")
def of_baclofen(new_warehouse):
    """Rows of the frame where only baclofen is rated."""
    with details_of_every_treatment(), new_warehouse() as con:
        warehouse = Warehouse(con)
        rate(warehouse, "baclofen", **FULL)
        return figures(warehouse)[1]


@pytest.fixture(scope="module")
def of_stops(new_warehouse):
    """(cells, rows) of four treatments that were taken and stopped, none of them rated."""
    with details_of_every_treatment(), new_warehouse() as con:
        warehouse = Warehouse(con)
        stops(warehouse, 60, 20)
        stops(warehouse, 150, 30, ["side_effects", "doctor_advice"])
        stops(warehouse, 300, 40)
        rate(warehouse, "baclofen", unrated=60)
        # A few stop between two days that are printed.
        stops(warehouse, 60, 20, treatment="tizanidine")
        stops(warehouse, 150, 3, treatment="tizanidine")
        stops(warehouse, 300, 40, treatment="tizanidine")
        rate(warehouse, "tizanidine", unrated=60)
        # Most go on.
        stops(warehouse, 60, 20, treatment="dantrolene")
        rate(warehouse, "dantrolene", unrated=60)
        # All stopped, some for no reason that is known.
        stops(warehouse, 60, 20, ["side_effects", "cost"], "amantadine")
        stops(warehouse, 70, 15, ["unknown"], "amantadine")
        return figures(warehouse)


FULL = {"major": 14, "moderate": 16, "slight": 13, "none": 12, "cant_tell": 11, "unrated": 15}


def shrunk(rows, treatment, purpose="spasticity"):
    return rows["used_for_native", purpose, treatment, "major_or_moderate", "shrunk_share"]


def test_a_shrunk_share_stands_beside_n_and_names_all_its_prior_was_fitted_to(warehouse, released):
    rate(warehouse, "baclofen", **FULL)
    rate(warehouse, "tizanidine", **(FULL | {"major": 11, "none": 24}))
    cells, rows = released()
    found = shrunk(rows, "baclofen")
    pooled = (30 + 27) / (55 + 64)
    assert found["state"] == "shown"
    assert found["value"] == round((30 + 10 * pooled) / 65, 3)
    assert found["method"] == "beta-binomial, weight 10, 95 %"
    assert (found["n_patients"], found["denominator"]) == (30, 55)
    stem = "condition=ms|source_family=native|treatment={}|purpose=spasticity|rating="
    (statistic,) = cells[stem.format("baclofen") + "major_or_moderate"].statistics
    assert set(statistic.needs) == {stem.format(code) + "major_or_moderate" for code in ("baclofen", "tizanidine")}
    (statistic,) = cells[stem.format("baclofen") + "slight"].statistics
    assert len(statistic.needs) == 10  # all five levels of both
    slight = rows["treatment_native", "baclofen", "baclofen for spasticity", "slight", "shrunk_share"]
    share = 10 * (13 + 13) / (66 + 75)
    assert slight["value"] == round((13 + share) / 76, 3)
    assert slight["low"] == round(stats.beta(13 + share, 53 + 10 - share).ppf(0.025), 3)
    # Nothing tells the parameters of the prior.
    assert {row["statistic"] for row in rows.values()} <= {
        "count", "share", "shrunk_share", "share_of_answered", "on_treatment", "on_treatment_at_most", "median_months", "stopped_for_cause",
    }  # fmt: skip


def test_a_treatment_too_small_to_be_shown_leaves_no_trace_in_the_prior_of_the_others(warehouse, released, of_baclofen):
    before = of_baclofen
    rate(warehouse, "baclofen", **FULL)
    rate(warehouse, "tizanidine", major=9, unrated=15)
    rate(warehouse, "dantrolene", slight=10, unrated=15)  # two small ones hide one another
    _, after = released()
    assert shrunk(after, "baclofen")["value"] == shrunk(before, "baclofen")["value"]
    assert shrunk(after, "tizanidine")["state"] == "suppressed"


def test_without_a_treatment_large_enough_nothing_is_shrunk(warehouse, released):
    rate(warehouse, "baclofen", major=5, none=5, unrated=20)
    cells, _ = released()
    assert all(not cell.statistics for cell in cells.values() if cell.mart == "treatment_effectiveness")


def test_translated_ratings_stand_alone(warehouse, released, of_baclofen):
    before = of_baclofen
    rate(warehouse, "baclofen", **FULL)
    rate(warehouse, "baclofen", source="druglib", **(FULL | {"major": 40}))
    cells, after = released()
    native = {key: row for key, row in after.items() if key[0].endswith("_native")}
    assert {key: (row["value"], row["low"], row["high"], row["state"]) for key, row in native.items()} == {
        key: (row["value"], row["low"], row["high"], row["state"])
        for key, row in before.items()
        if key[0].endswith("_native")
    }
    assert after["treatment_druglib", "baclofen", "baclofen for spasticity", "major", "count"]["value"] == 40
    assert {cell.table_id for cell in cells.values() if "source_family=druglib" in cell.cell_key and "|" in cell.cell_key} == {
        "source_family", "treatment_druglib", "side_effects_druglib",
    }  # fmt: skip


def test_ratings_are_ordered_by_nothing_that_counts_decide(warehouse, released):
    """A reader may sort by the lower limit where it is shown; the order of the frame tells nothing."""
    rate(warehouse, "tizanidine", **(FULL | {"major": 40}))
    rate(warehouse, "baclofen", **FULL)
    _, rows = released()
    listed = [key[2] for key in rows if key[0] == "used_for_native" and key[3:] == ("takers", "count")]
    assert listed == ["baclofen", "tizanidine"]
    assert shrunk(rows, "tizanidine")["low"] > shrunk(rows, "baclofen")["low"]


def stops(warehouse, days, count, reasons=("cost",), treatment="baclofen"):
    for number in range(count):
        name = f"{treatment} {days} {'+'.join(reasons)} {number}"
        warehouse.patient(name, enrolled_on=date(2023, 1, 1))
        stop = BEGIN + timedelta(days=days)
        take(
            warehouse,
            name,
            treatment,
            status="stopped",
            stopped_on=stop,
            stop_reasons=list(reasons),
            last_confirmed_on=stop,
        )


def on_treatment(rows, day, statistic="on_treatment", treatment="baclofen"):
    return rows["time_on_native", treatment, treatment, str(day), statistic]


def test_a_curve_is_shown_at_few_days_and_ends_where_few_are_followed(of_stops):
    _, rows = of_stops
    assert [key[3] for key in rows if key[:2] == ("time_on_native", "baclofen") and key[4] == "count"] == [
        "0",
        "90",
        "180",
        "365",
        "730",
    ]
    assert [on_treatment(rows, day)["value"] for day in (0, 90, 180, 365)] == [
        1.0,
        round(130 / 150, 3),
        round(100 / 150, 3),
        0.4,
    ]
    # Begun 546 days before the report: nobody is followed for two years.
    assert (on_treatment(rows, 730)["state"], on_treatment(rows, 730)["value"]) == ("shown", None)
    assert on_treatment(rows, 0, "median_months")["value"] == 10
    assert rows["stop_risk_native", "baclofen", "side_effects", "180", "stopped_for_cause"]["value"] == 0.2


def test_a_few_stops_between_two_days_hide_a_point_of_the_curve(of_stops):
    _, rows = of_stops
    state = {day: on_treatment(rows, day, treatment="tizanidine")["state"] for day in (90, 180, 365)}
    assert state[180] == "suppressed" or state[90] == "suppressed"
    assert state[365] == "shown"


def test_a_median_that_is_not_reached_is_no_number(of_stops):
    found = on_treatment(of_stops[1], 0, "median_months", "dantrolene")
    assert (found["state"], found["value"]) == ("shown", None)


def test_reasons_given_and_not_given_are_all_who_stopped(of_stops):
    cells, rows = of_stops
    stopped = "condition=ms|source_family=native|treatment=amantadine|use=stopped"
    assert cells[stopped].cell_count == 35
    assert cells[f"{stopped}|reason=given"].cell_count == 20
    assert cells[f"{stopped}|reason=not_given"].cell_count == 15
    assert rows["stop_reasons_native", "amantadine", "cost", None, "share"]["denominator"] == 20
    assert f"{stopped}|reason=unknown" not in cells
    assert (
        relations_of(list(cells.values())).counts[f"{stopped}|reason=given counted more than once"] == 0
    )  # the same patients


def test_few_with_other_side_effects_hide_who_named_one(warehouse, released):
    """19 of 25 with any side effect name dizziness: the other 6 would follow."""
    rate(warehouse, "baclofen", major=19, unrated=20)
    for number in range(6):
        warehouse.patient(f"other {number}")
        record = warehouse.add(
            "treatment_episode",
            f"other {number}",
            treatment_code="baclofen",
            purpose_codes=["spasticity"],
            started_on=BEGIN,
        )
        warehouse.add("treatment_evaluation", f"other {number}", episode=record, side_effect_severity="severe")
    cells, rows = released()
    stem = "condition=ms|source_family=native|treatment=baclofen|side_effect_severity|answer="
    assert (cells[f"{stem}any"].cell_count, cells[f"{stem}any|side_effect=dizziness"].cell_count) == (25, 19)
    for statistic in ("count", "share", "share_of_answered"):
        assert rows["side_effect_codes_native", "baclofen", "dizziness", None, statistic]["state"] == "suppressed"


def test_no_report_of_a_side_effect_is_no_figure(of_stops):
    """Of a treatment nobody answered for there is nothing, not a zero that reads as "none"."""
    assert not [key for key in of_stops[1] if key[0].startswith("side_effect")]
    assert words()["answer_side_effect_severity"]["none"] == "Rated as none"


def test_every_table_of_the_topic_is_described_and_every_value_has_words(warehouse, released):
    g = random.Random(4)
    for number in range(90):
        name, source = f"p{number}", "druglib" if number % 5 == 0 else "canonical"
        warehouse.patient(name, source=source, enrolled_on=date(2023, 1, 1))
        for treatment in (
            "baclofen",
            "yoga",
            "cane",
            "hydration",
            "pacing",
            "physical_therapy",
            "stem_cell_transplant",
        ):
            status = g.choice(["current", "stopped", "unknown"])
            stop = {"stopped_on": date(2025, 1, 1), "stop_reasons": g.choice([[], ["cost"], ["improved"], ["other"]])}
            record = warehouse.add(
                "treatment_episode", name, source, treatment_code=treatment, started_on=BEGIN, status=status, purpose_codes=["fatigue"],
                dose_amount=20, dose_unit="mg", dose_period=g.choice(["day", "as_needed"]), **(stop if status == "stopped" else {}),
            )  # fmt: skip
            warehouse.add(
                "treatment_evaluation", name, source, episode=record, purpose_code="fatigue",
                effectiveness=g.choice(["major", "slight", "cant_tell"]), side_effect_severity=g.choice(["none", "mild"]),
                side_effect_codes=["nausea"], adherence="usually", burden="a_little", monthly_cost_band="lt25",
                currency_code=g.choice(["USD", "EUR", "GBP", "CHF"]),
            )  # fmt: skip
    cells, rows = released()
    topic = next(topic for topic in topics() if topic.topic == "treatments")
    found = {row["table_id"] for row in rows.values() if row["topic"] == "treatments"} - {"source_family"}
    described = {name: [table for table in topic.tables if fnmatch(name, table.table_id)] for name in found}
    assert all(described.values()), described
    assert {table.table_id for tables in described.values() for table in tables} == {t.table_id for t in topic.tables}
    for row in rows.values():
        if row["topic"] != "treatments" or row["table_id"] == "source_family":
            continue
        columns = {column for table in described[row["table_id"]] for column in (*table.columns, table.statistic)}
        assert row["statistic"] in columns | {"count", "share"}, row
        if row["statistic"] not in ("count", "share"):
            assert row["statistic"] in topic.statistics
        for dimension, value, label in (("dimension_1", "value_1", "label_1"), ("dimension_2", "value_2", "label_2")):
            if row[dimension] is not None:
                assert row[label] != row[value], (row[dimension], row[value])
    assert "CHF" not in {row["value_1"] for row in rows.values()}


def test_all_relations_hold_and_treatments_cover_their_strategy(warehouse, released):
    for number in range(40):
        name = f"p{number}"
        warehouse.patient(name)
        take(warehouse, name, "yoga", "major", purpose="fatigue")
        if number % 2:
            take(warehouse, name, "swimming", "slight", purpose="fatigue")
    cells, _ = released()
    counts = relations_of(list(cells.values())).counts
    strategy = "condition=ms|source_family=native|strategy=exercise"
    for key in (strategy, f"{strategy}|use=current", f"{strategy}|rating=rated"):
        assert cells[key].cell_count == 40
        assert counts[f"{key} counted more than once"] == 20


@pytest.mark.parametrize(("takers", "has_details"), [(99, False), (100, True)])
def test_details_are_given_of_treatments_that_a_hundred_have_taken(warehouse, takers, has_details):
    rate(warehouse, "baclofen", unrated=takers)
    warehouse.build()
    (row,) = warehouse.mart("treatment_taken")
    assert (row["has_details"], row["is_strategy_detailed"], row["is_use_covered"]) == (has_details,) * 3
    assert not row["has_causes"] and not row["is_strategy_rated"]
    cells = warehouse.cells("who_reports", "treatment")
    known = {cell.value_1: cell.at_least for cell in cells if cell.at_least > 1}
    assert known == ({"baclofen": 100, "medication": 100} if has_details else {})
    found = {cell.table_id for cell in cells if cell.topic == "treatments"}
    always = {"source_family", "treatment_native", "used_for_native"}
    assert found == always | ({"in_use_native", "time_on_native", "strategies_native"} if has_details else set())


def test_a_rare_treatment_does_not_cover_the_users_of_its_strategy(warehouse):
    rate(warehouse, "baclofen", unrated=100)
    rate(warehouse, "tizanidine", unrated=12)
    warehouse.build()
    assert not any(row["is_use_covered"] for row in warehouse.mart("treatment_taken"))
    cells = {cell.cell_key: cell for cell in warehouse.cells("who_reports", "treatment")}
    current = cells["condition=ms|source_family=native|treatment=baclofen|use=current"]
    assert current.covers_key is None
    assert cells["condition=ms|source_family=native|treatment=tizanidine"].covers_key is not None
    relations_of(list(cells.values()))
