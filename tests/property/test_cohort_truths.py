"""What the cohort model plants can be found again by honest estimators, and a naive one is fooled.

Tolerance everywhere: |estimate - truth| <= 3 SE at a fixed seed, plus 5 % of the truth for lags (what the half-panel
jackknife leaves of the bias, and activity cut at 0) and 3 % for effects (controls who start during follow-up).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modes import examples

from flows.cohort import simulate, simulate_block
from flows.cohort.model import (
    COURSES,
    MONTHS,
    SCALES,
    TREATMENT_EFFECTS,
    TREATMENTS,
    TRUE_LAGS,
    Block,
    Variant,
    persistence,
    severity_of,
)
from flows.cohort.tables import raw_walking_score

PATIENTS = 8000
LAG_PATIENTS = 4000
FOLLOW_UP_MONTHS = 3
STANDARD_ERRORS = 3.0
FATIGUE, ACTIVITY, WEAKNESS = 0, 1, 2


@cache
def cohort(variant: Variant = "measured") -> Block:
    return simulate(PATIENTS, variant=variant)


@cache
def complete_cohort() -> Block:
    """Lags need complete series."""
    return simulate(LAG_PATIENTS, report_probability=1.0)


def near(estimate: float, truth: float, error: float, slack: float = 0.0) -> bool:
    return abs(estimate - truth) <= STANDARD_ERRORS * error + slack * abs(truth)


def share_near(hits: int, total: int, truth: float) -> bool:
    return near(hits / total, truth, (truth * (1 - truth) / total) ** 0.5)


def walking_score(block: Block) -> np.ndarray:
    """MSWS-12 as it stands in the files: in raw steps, 0 to 100."""
    return (raw_walking_score(block.score) - 12) / 48 * 100


def nested_trials(block: Block, score: np.ndarray, treatment: int) -> tuple[float, float]:
    """Effect and its patient-cluster SE: starters of each month against those who have not started yet, both adjusted
    for the score before. Controls who start later stay in, or the future would select them."""
    start, is_on = block.start_month[:, treatment], block.is_on[:, :, treatment]
    parts = []
    for month in range(6, MONTHS - FOLLOW_UP_MONTHS - 1):
        after = month + FOLLOW_UP_MONTHS
        for treated, chosen in ((1.0, (start == month) & is_on[:, after]), (0.0, (start < 0) | (start > month))):
            who = np.flatnonzero(chosen)
            before = score[who, month - 1]
            columns = (np.ones(len(who)), np.full(len(who), treated), before, before**2, np.full(len(who), month))
            parts.append(np.column_stack((*columns, score[who, after], who)))
    rows = np.concatenate(parts)
    x, y, who = rows[:, :5], rows[:, 5], rows[:, 6].astype(int)
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ (x.T @ y)
    residual = y - x @ beta
    by_patient = np.column_stack([np.bincount(who, x[:, j] * residual, len(start)) for j in range(5)])
    covariance = bread @ (by_patient.T @ by_patient) @ bread
    return beta[1], covariance[1, 1] ** 0.5


def before_after(block: Block, treatment: int) -> tuple[float, float]:
    """The naive mean change of those who start, and its SE."""
    start = block.start_month[:, treatment]
    who = np.flatnonzero((start >= 0) & (start < MONTHS - FOLLOW_UP_MONTHS))
    who = who[block.is_on[who, start[who] + FOLLOW_UP_MONTHS, treatment]]
    change = block.score[who, start[who] + FOLLOW_UP_MONTHS] - block.score[who, start[who] - 1]
    return change.mean(), change.std(ddof=1) / len(who) ** 0.5


def cross_products(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per patient x'x and x'y of all three states on their lags, series demeaned and linearly detrended.
    (N, months, 3) -> two times (N, 3, 3)."""
    steps = states.shape[1] - 1
    trend = np.column_stack([np.ones(steps), np.arange(steps)])
    detrend = np.eye(steps) - trend @ np.linalg.pinv(trend)
    x, y = detrend @ states[:, :-1], detrend @ states[:, 1:]
    return np.swapaxes(x, 1, 2) @ x, np.swapaxes(x, 1, 2) @ y


def fit_lags(states: np.ndarray, jackknife: bool, replicates: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Lag matrix (rows: outcome, columns: predictor) and its bootstrap SE over patients, both (3, 3)."""
    half = states.shape[1] // 2
    panels = [states, states[:, :half], states[:, half:]] if jackknife else [states]
    products = [cross_products(panel) for panel in panels]

    def estimate(weight: np.ndarray) -> np.ndarray:
        solved = [np.linalg.solve(np.tensordot(weight, xx, 1), np.tensordot(weight, xy, 1)).T for xx, xy in products]
        return 2 * solved[0] - (solved[1] + solved[2]) / 2 if jackknife else solved[0]

    g = np.random.default_rng(1)
    count = len(states)
    draws = [estimate(g.multinomial(count, np.full(count, 1 / count)).astype(float)) for _ in range(replicates)]
    return estimate(np.ones(count)), np.std(draws, axis=0, ddof=1)


# --- prevalence ---


@pytest.mark.parametrize(
    ("course", "level", "truth"), [(None, 1, 0.793), (None, 2, 0.469), ("nrspms", 1, 0.986), ("nrspms", 2, 0.851)]
)
def test_weakness_in_the_last_month_is_as_common_as_planted(course, level, truth):
    block = cohort()
    is_counted = block.is_seen[:, -1] & ((course is None) | (block.course == COURSES.index(course or "rrms")))
    severity = severity_of(block.score[is_counted, -1])
    assert share_near(int((severity >= level).sum()), len(severity), truth)


# --- treatment effects ---


@pytest.mark.parametrize("treatment", range(len(TREATMENTS)), ids=TREATMENTS)
def test_nested_trials_find_the_effect_in_the_scores_of_the_files(treatment):
    block = cohort()
    effect, error = nested_trials(block, walking_score(block), treatment)
    assert error < 0.35
    assert near(effect, TREATMENT_EFFECTS[treatment], error, slack=0.03), (effect, error)


def test_strength_exercise_helps_and_yoga_does_not():
    block = cohort()
    helps, helps_error = nested_trials(block, walking_score(block), TREATMENTS.index("strength_exercise"))
    idle, idle_error = nested_trials(block, walking_score(block), TREATMENTS.index("yoga"))
    assert helps < -STANDARD_ERRORS * helps_error
    assert abs(idle) <= STANDARD_ERRORS * idle_error


def test_before_and_after_alone_makes_yoga_look_helpful():
    change, error = before_after(cohort(), TREATMENTS.index("yoga"))
    assert change < -STANDARD_ERRORS * error


def test_an_unmeasured_reason_to_start_fools_even_the_nested_trials():
    block = cohort("unmeasured")
    effect, error = nested_trials(block, block.score, TREATMENTS.index("yoga"))
    assert effect < -STANDARD_ERRORS * error
    assert near(effect, -0.87, error)  # of 30,000 patients, SE .12


# --- lags ---


def test_lags_of_fatigue_activity_and_weakness_are_recovered():
    block = complete_cohort()
    # Without treatment: the steps of a treatment would pass for persistence of weakness.
    states = np.stack([block.fatigue, block.activity, block.weakness], axis=2)
    lags, errors = fit_lags(states, jackknife=True)
    for outcome, predictor, truth in (
        (ACTIVITY, FATIGUE, -0.75),
        (WEAKNESS, ACTIVITY, -0.040),
        (FATIGUE, WEAKNESS, 0.20),
        (WEAKNESS, FATIGUE, 0.0),
        (FATIGUE, FATIGUE, 0.40),
        (ACTIVITY, ACTIVITY, 0.35),
        (WEAKNESS, WEAKNESS, 0.50),
    ):
        assert TRUE_LAGS[outcome, predictor] == pytest.approx(truth)
        assert near(lags[outcome, predictor], truth, errors[outcome, predictor], slack=0.05), (outcome, predictor)
    assert SCALES.tolist() == [8, 30, 6]


def test_lags_survive_in_reported_severities_with_half_their_size():
    block = complete_cohort()
    states = np.stack([severity_of(block.fatigue), block.activity, severity_of(block.score)], axis=2)
    lags, errors = fit_lags(states.astype(float), jackknife=False)
    for outcome, predictor, truth in (
        (ACTIVITY, FATIGUE, -10.09),
        (WEAKNESS, ACTIVITY, -0.0018),
        (FATIGUE, WEAKNESS, 0.110),
    ):
        assert near(lags[outcome, predictor], truth, errors[outcome, predictor], slack=0.05), (outcome, predictor)
        assert abs(lags[outcome, predictor]) > STANDARD_ERRORS * errors[outcome, predictor]


# --- stops and ratings ---


def kaplan_meier(days: np.ndarray, is_stop: np.ndarray, until: float) -> tuple[float, float]:
    """S(until) and Greenwood's SE."""
    survival, variance = 1.0, 0.0
    for time in np.unique(days[is_stop & (days <= until)]):
        at_risk, stops = int((days >= time).sum()), int((is_stop & (days == time)).sum())
        survival *= 1 - stops / at_risk
        variance += stops / (at_risk * (at_risk - stops))
    return survival, survival * variance**0.5


@pytest.mark.parametrize(("name", "truth"), [("physical_therapy", 0.844), ("dalfampridine", 0.649), ("cane", 0.953)])
def test_share_still_on_treatment_after_180_days(name, truth):
    block, k = cohort(), TREATMENTS.index(name)
    assert persistence(180)[k] == pytest.approx(truth, abs=0.001)
    takers = block.start_month[:, k] >= 0
    end = np.where(block.is_stopped[takers, k], block.stopped_on[takers, k], 20_362)  # 2025-10-01: the day after
    estimate, error = kaplan_meier(end - block.started_on[takers, k], block.is_stopped[takers, k], 180)
    assert near(estimate, truth, error), (estimate, error)


@pytest.mark.parametrize(
    ("name", "among_raters", "among_takers"),
    [("physical_therapy", 0.489, 0.436), ("dalfampridine", 0.390, 0.361), ("yoga", 0.286, 0.256)],
)
def test_raters_praise_more_than_takers_would(name, among_raters, among_takers):
    block, k = cohort(), TREATMENTS.index(name)
    rated = block.is_rated[:, k] & ~block.is_cant_tell[:, k]
    takers = block.start_month[:, k] >= 0
    assert share_near(int(block.is_effective[rated, k].sum()), int(rated.sum()), among_raters)
    assert share_near(int(block.is_effective[takers, k].sum()), int(takers.sum()), among_takers)


def test_those_who_stopped_rate_less_often():
    block = cohort()
    takers = block.start_month >= 0
    for is_stopped, truth in ((True, 0.45), (False, 0.70)):
        asked = takers & (block.is_stopped == is_stopped)
        assert share_near(int(block.is_rated[asked].sum()), int(asked.sum()), truth)
    assert share_near(int(block.is_cant_tell[block.is_rated].sum()), int(block.is_rated.sum()), 0.10)


def test_progressive_patients_fall_more_and_a_cane_helps():
    block = cohort()
    years = 3.0
    for is_progressive, truth in ((False, 0.6), (True, 2.0)):
        chosen = np.isin(block.course, (1, 2, 3)) == is_progressive
        without_cane = chosen & (block.start_month[:, TREATMENTS.index("cane")] < 0)
        rate = block.falls[without_cane].sum(1) / years
        assert near(rate.mean(), truth, rate.std(ddof=1) / len(rate) ** 0.5)
    on = block.is_on[:, :, TREATMENTS.index("cane")]
    users = on.any(1)
    expected = np.where(np.isin(block.course, (1, 2, 3)), 2.0, 0.6)[:, None] / 12 * np.ones(MONTHS)
    difference = (block.falls - 0.7 * expected)[users] * on[users]
    per_patient = difference.sum(1)
    assert near(per_patient.mean(), 0.0, per_patient.std(ddof=1) / users.sum() ** 0.5, slack=0)


# --- a block is a function of its seed and number ---


@examples(3, 50)
@given(seed=st.integers(0, 2**40), block=st.integers(0, 2**30))
def test_a_block_is_a_function_of_seed_and_number(seed, block):
    one, other = simulate_block(seed, block), simulate_block(seed, block)
    assert (one.score == other.score).all() and (one.started_on == other.started_on).all()
    assert one.patient[0] == block * 1000
    starts = one.start_month >= 0
    assert ((one.start_month[starts] >= 6) & (one.start_month[starts] <= 29)).all()
    assert not one.is_on[:, :6].any()
    assert (one.activity >= 0).all()
    assert (np.diff(one.reported_on, axis=1) > 0).all()
