"""What a release may say of the loop and of comparisons: readings, refusals, and what hides with what."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from warehouse_records import nobody

from flows.stages import build as build_stage
from flows.stages.cells import decide, read_cells
from flows.stages.estimators import ESTIMATED
from flows.stages.frame import publishable
from schemas.topics import topics
from sql import statement, statements

AT = datetime(2025, 6, 30, 12, tzinfo=UTC)


def topic(name):
    (found,) = (t for t in topics() if t.topic == name)
    return found


def set_groups(warehouse, **counts):
    """Groups of the loop of so many patients."""
    for name, count in counts.items():
        warehouse.con.execute(
            "UPDATE marts.loop_group SET patient_count = $n, patient_set = hash($name)::UHUGEINT WHERE loop_group = $name",
            {"n": count, "name": name},
        )


def frame_of(warehouse, topic, wholes):
    """What is published of one topic, beside cells of other topics that its cells are shares of: keys with their counts."""
    cells = [c for c in read_cells(warehouse.con) if c.topic == topic]
    beside = [
        replace(
            cells[0],
            table_id="beside",
            cell_key=key,
            denominator_key=None,
            cell_count=n,
            patient_set=n,
            part_of=(),
            statistics=(),
        )
        for key, n in wholes.items()
    ]
    hidden = decide(beside + cells, 11).hidden
    return publishable(warehouse.con, beside + cells, hidden, 1, 1, AT).to_pylist()


def readings(warehouse):
    rows = warehouse.rows(statement("release/10_loop"))
    return {r["value_1"]: r["value_2"] for r in rows if r["table_id"] == "loop_reading"}


@pytest.fixture
def with_marts(after):
    """All marts of nobody; what a test needs it writes into them."""
    warehouse = after(nobody)
    warehouse.as_of()
    return warehouse


@pytest.fixture
def loop(with_marts):
    """Three arrows as the circle says, each beyond chance, of 60 patients of 100."""
    warehouse = with_marts
    con = warehouse.con
    con.execute("DELETE FROM marts.loop_lag")
    for predictor, outcome, slope in (
        ("fatigue", "activity", -10.0),
        ("activity", "weakness", -0.002),
        ("weakness", "fatigue", 0.1),
    ):
        con.execute(
            "INSERT INTO marts.loop_lag BY NAME SELECT 'long' AS series, 1 AS lag_months, $p AS predictor, $o AS outcome, "
            "60 AS patient_count, $s AS slope, $s AS low, $s AS high, 0.01 AS q_value",
            {"p": predictor, "o": outcome, "s": slope},
        )
    set_groups(warehouse, any=100, run_16_up=60, run_6_to_15=40)
    return warehouse


def test_a_step_is_consistent_if_it_leans_as_the_circle_says_beyond_chance(loop):
    assert set(readings(loop).values()) == {"consistent"}
    loop.con.execute("UPDATE marts.loop_lag SET slope = -slope WHERE predictor = 'weakness'")
    loop.con.execute("UPDATE marts.loop_lag SET q_value = 0.06 WHERE predictor = 'activity'")
    assert readings(loop) == {
        "fatigue_to_activity": "consistent",
        "activity_to_weakness": "not_consistent",
        "weakness_to_fatigue": "not_consistent",
    }


@pytest.mark.parametrize(
    ("long", "any_", "is_stated"), [(30, 60, True), (60, 60, True), (29, 100, False), (60, 89, False), (60, 61, False)]
)
def test_a_reading_never_says_that_few_are_in_or_left_out(loop, long, any_, is_stated):
    set_groups(loop, any=any_, run_16_up=long, run_6_to_15=any_ - long)
    assert set(readings(loop).values()) == ({"consistent"} if is_stated else {"not_stated"})


def test_slopes_are_hidden_with_the_patients_they_are_of(loop):
    set_groups(loop, any=65, run_16_up=60, run_6_to_15=5)
    frame = frame_of(loop, "loop", {"condition=ms": 200})
    slopes = [r for r in frame if r["table_id"] == "loop_lags" and r["statistic"] == "slope"]
    assert len(slopes) == 3
    assert {(r["state"], r["value"]) for r in slopes} == {("suppressed", None)}


# --- comparisons ---


@pytest.fixture
def comparison(with_marts):
    """One treatment and outcome: 80 started, 60 matched with 50 controls, 45 still taking it."""
    warehouse = with_marts
    con = warehouse.con
    for position, (group, count) in enumerate(
        {
            "started": 80,
            "eligible": 70,
            "followed": 65,
            "matched": 60,
            "still_taking": 45,
            "controls": 50,
            "started_later": 0,
        }.items()
    ):
        con.execute(
            "INSERT INTO marts.comparison_group VALUES ('yoga', 'msws_12', false, $g, $p, $n, hash($g)::UHUGEINT)",
            {"g": group, "p": position, "n": count},
        )
    con.execute(
        "INSERT INTO marts.comparison BY NAME SELECT 'yoga' AS treatment_code, 'msws_12' AS outcome_code, -1.0 AS difference, "
        "-3.0 AS low, 1.0 AS high, 0.05 AS imbalance, -1.5 AS still_difference, -3.5 AS still_low, 0.5 AS still_high, "
        "1.4 AS e_value, 1.0 AS e_value_limit, 0.4 AS q_value"
    )
    con.execute("INSERT INTO marts.comparison_balance VALUES ('yoga', 'msws_12', 'after', 'age', 0.05)")
    return warehouse


def differences(warehouse):
    takers = "condition=ms|source_family=native"
    frame = frame_of(warehouse, "comparison", {takers: 900, f"{takers}|treatment=yoga": 200})
    return {
        (r["table_id"], r["value_2"], r["statistic"]): (r["state"], r["value"])
        for r in frame
        if r["statistic"] in ("difference", "balance_age", "imbalance")
    }


def test_a_difference_is_shown_with_those_who_started_and_those_still_taking(comparison):
    found = differences(comparison)
    assert found["comparison_difference_msws_12", "started", "difference"] == ("shown", -1.0)
    assert found["comparison_difference_msws_12", "still_taking", "difference"] == ("shown", -1.5)
    assert found["comparison_balance_msws_12", "after", "balance_age"] == ("shown", 0.05)


@pytest.mark.parametrize(("group", "count"), [("controls", 10), ("matched", 74), ("matched", 10)])
def test_no_difference_is_shown_if_its_patients_or_the_rest_are_few(comparison, group, count):
    comparison.con.execute(
        "UPDATE marts.comparison_group SET patient_count = $n WHERE comparison_group = $g", {"g": group, "n": count}
    )
    if count < 45 and group == "matched":
        comparison.con.execute(
            "UPDATE marts.comparison_group SET patient_count = 9 WHERE comparison_group = 'still_taking'"
        )
    assert {state for state, _ in differences(comparison).values()} == {"suppressed"}


def test_a_refused_difference_is_shown_as_not_estimable(comparison):
    comparison.con.execute("UPDATE marts.comparison SET difference = NULL, low = NULL, high = NULL, imbalance = 0.2")
    found = differences(comparison)
    assert found["comparison_difference_msws_12", "started", "difference"] == ("shown", None)
    assert found["comparison_difference_msws_12", "started", "imbalance"] == ("shown", 0.2)


def test_a_negative_control_stands_in_a_table_of_its_own(comparison):
    comparison.con.execute("UPDATE marts.comparison_group SET is_control = true, outcome_code = 'muscle_weakness'")
    comparison.con.execute("UPDATE marts.comparison SET outcome_code = 'muscle_weakness'")
    tables = {key[0] for key in differences(comparison)}
    assert "comparison_control_muscle_weakness" in tables
    assert not any(table.startswith("comparison_difference") for table in tables)


# --- topics and the mechanism ---


@pytest.mark.parametrize("name", ["loop", "comparison"])
def test_every_table_value_and_statistic_of_a_topic_has_its_words(loop, comparison, name):
    found = topic(name)
    tables = {table.table_id: table for table in found.tables}
    for cell in (c for c in read_cells(loop.con) if c.topic == name):
        assert cell.table_id in tables
        for dimension, value in ((cell.dimension_1, cell.value_1), (cell.dimension_2, cell.value_2)):
            if dimension not in (None, "treatment"):
                assert value in found.words[dimension], (dimension, value)
        for statistic in cell.statistics:
            assert statistic.statistic in found.statistics
            assert statistic.statistic in tables[cell.table_id].columns
    for table in found.tables:
        for column in (*table.columns, table.statistic):
            assert column in ("count", "share") or column in found.statistics, (table.table_id, column)


def test_every_outcome_has_its_tables(warehouse):
    warehouse.build()
    tables = {table.table_id for table in topic("comparison").tables}
    for row in warehouse.mart("trial_outcome"):
        outcome = row["outcome_code"]
        assert {f"comparison_followed_{outcome}", f"comparison_balance_{outcome}"} <= tables
        is_only_control = outcome == "vision_problems"
        assert (f"comparison_difference_{outcome}" in tables) == (not is_only_control)
        assert (f"comparison_control_{outcome}" in tables) == bool(
            row["control_treatments"] or row["control_categories"]
        )


@pytest.mark.parametrize("name", ["loop", "comparison"])
def test_a_topic_claims_no_effect(name):
    text = str(topic(name).model_dump()).lower()
    for word in (" works", "caused", "proves", "proven", "no side effects", "effective "):
        assert word not in text, word


def test_the_caveat_of_what_is_unmeasured_stands_whatever_the_figures_say():
    caveats = " ".join(topic("comparison").caveats)
    assert "confounding by indication" in caveats
    assert "unmeasured" in caveats
    assert "not a substitute for randomised trials" in caveats


def test_estimated_marts_have_their_statement_like_any_other():
    assert {f"marts/{name}" for name in ESTIMATED} <= set(statements("marts"))
    order = build_stage.marts()
    assert order.index("loop_moment") < order.index("loop_lag")
    assert order.index("comparison") < order.index("comparison_group")


def test_an_estimated_mart_is_the_same_whenever_it_is_made(loop):
    before = {name: loop.rows(f"SELECT * FROM marts.{name}") for name in ("comparison", "loop_correlation")}
    loop.build()
    assert before == {name: loop.rows(f"SELECT * FROM marts.{name}") for name in before}
