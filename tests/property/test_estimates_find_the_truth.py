"""The pipeline's own marts find what the cohort was planted with, from the records alone.

Tolerance as everywhere: |estimate - truth| <= 3 SE at a fixed seed, plus 5 % of the truth for slopes and 3 % for effects.
"""

from __future__ import annotations

import numpy as np
import pytest
from cohort_truths import true_effects, true_slopes
from cohort_warehouse import build_some, warehouse_of

from flows.cohort.model import TREATMENTS
from flows.stages.lags import slopes_of
from sql import statement

Z = 1.959964
# Of complete ordinal series, detrended, without the jackknife, from 30,000 patients: computed apart from this code.
PUBLISHED = {
    ("fatigue", "activity"): -10.09,
    ("activity", "weakness"): -0.0018,
    ("weakness", "fatigue"): 0.110,
    ("fatigue", "fatigue"): 0.199,
    ("activity", "activity"): 0.276,
    ("weakness", "weakness"): 0.240,
}
STATES = ("fatigue", "activity", "weakness")


@pytest.fixture(scope="module")
def measured():
    with warehouse_of(2000) as con:
        build_some(con, "comparison", "loop_lag", "loop_correlation")
        yield con


@pytest.fixture(scope="module")
def complete():
    with warehouse_of(1000, report_probability=1.0) as con:
        build_some(con, "loop_lag")
        yield con


def near(estimate, truth, error, slack):
    return abs(estimate - truth) <= 3 * error + slack * abs(truth)


def lag_rows(con, series="long"):
    rows = con.execute(
        "SELECT predictor, outcome, slope, high, q_value FROM marts.loop_lag WHERE series = $s AND lag_months = 1",
        {"s": series},
    ).fetchall()
    return {(p, o): (slope, (high - slope) / Z, q) for p, o, slope, high, q in rows}


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_the_planted_effect_of_each_treatment_is_found(measured, treatment):
    row = measured.execute(
        "SELECT difference, high, still_difference, still_high, imbalance, still_imbalance FROM marts.comparison "
        "WHERE outcome_code = 'msws_12' AND treatment_code = $t",
        {"t": treatment},
    ).fetchone()
    started, started_high, still, still_high, imbalance, still_imbalance = row
    assert near(started, true_effects()[treatment, "started"], (started_high - started) / Z, 0.03)
    assert near(still, true_effects()[treatment, "still_taking"], (still_high - still) / Z, 0.03)
    assert max(imbalance, still_imbalance) < 0.1


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_an_outcome_that_no_treatment_moves_shows_no_difference(measured, treatment):
    difference, high, q = measured.execute(
        "SELECT difference, high, q_value FROM marts.comparison WHERE outcome_code = 'fatigue' AND treatment_code = $t",
        {"t": treatment},
    ).fetchone()
    assert near(difference, 0.0, (high - difference) / Z, 0.0)
    assert q > 0.05


def test_before_and_after_is_fooled_where_the_comparison_is_not(measured):
    """Regression to the mean: who starts was worse than usual, and is better later, whatever was started."""
    rows = measured.execute(
        "SELECT starter.treatment_code, baseline.follow_up - baseline.baseline FROM marts.trial_starter AS starter "
        "JOIN marts.trial_baseline AS baseline USING (patient_id, outcome_code, trial_month) "
        "WHERE starter.outcome_code = 'msws_12' AND starter.is_compared AND starter.is_still_taking"
    ).fetchall()
    beyond = np.array([change - true_effects()[code, "still_taking"] for code, change in rows if code in TREATMENTS])
    assert beyond.mean() < -3 * beyond.std(ddof=1) / len(beyond) ** 0.5
    compared = measured.execute(
        "SELECT treatment_code, still_difference FROM marts.comparison WHERE outcome_code = 'msws_12'"
    ).fetchall()
    off = [difference - true_effects()[code, "still_taking"] for code, difference in compared if code in TREATMENTS]
    assert abs(np.mean(off)) < abs(beyond.mean())


def test_slopes_of_complete_series_are_those_of_the_model(complete):
    for key, (slope, error, _) in lag_rows(complete).items():
        assert near(slope, true_slopes()[key], error, 0.05), key


def test_uncorrected_slopes_are_the_published_ones(complete):
    rows = complete.execute(statement("marts/loop_lag")).fetchall()
    whole = np.array([products[:30] for series, lag, _, products in rows if series == "long" and lag == 1])
    slopes, errors, _ = slopes_of(whole)
    for (before, after), truth in PUBLISHED.items():
        place = STATES.index(before), STATES.index(after)
        assert near(slopes[place], truth, errors[place], 0.05), (before, after)


def test_the_circle_is_seen_with_months_missing_and_nothing_the_other_way_round(measured):
    found = lag_rows(measured)
    for key, sign in (("fatigue", "activity"), -1), (("activity", "weakness"), -1), (("weakness", "fatigue"), 1):
        slope, _, q = found[key]
        assert np.sign(slope) == sign
        assert q <= 0.05
    for key in ("activity", "fatigue"), ("weakness", "activity"), ("fatigue", "weakness"):
        assert found[key][2] > 0.05, key
    shorter = lag_rows(measured, "short")
    for key, sign in (("fatigue", "activity"), -1), (("activity", "weakness"), -1), (("weakness", "fatigue"), 1):
        assert np.sign(shorter[key][0]) == sign


def test_within_and_between_persons_are_told_apart(measured):
    rows = measured.execute("SELECT pair, within, between FROM marts.loop_correlation").fetchall()
    for pair, within, between in rows:
        assert abs(between) > abs(within) + 0.2, pair
        assert np.sign(between) == np.sign(within) == (1 if pair == "weakness_fatigue" else -1)
