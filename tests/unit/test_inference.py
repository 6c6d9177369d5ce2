"""False discovery rates, E-values and draws of patients, against golden vectors and statsmodels."""

import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from flows.stages.inference import (
    e_value,
    e_values,
    false_discovery_rates,
    patient_draws,
    settled,
    two_sided_p,
)

GOLDEN_P = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
GOLDEN_Q = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057, 0.216, 0.216, 0.216]


def test_benjamini_hochberg_gives_the_golden_vector():
    q = false_discovery_rates(GOLDEN_P)
    assert q == pytest.approx(GOLDEN_Q, abs=5e-5)
    assert sum(value <= 0.05 for value in q) == 2


def test_benjamini_hochberg_agrees_with_statsmodels_in_any_order():
    random = np.random.default_rng(1)
    for size in (1, 2, 7, 40):
        p = random.random(size) ** 3
        assert false_discovery_rates(p.tolist()) == pytest.approx(multipletests(p, method="fdr_bh")[1].tolist())


def test_a_refused_test_counts_in_the_family_as_one():
    assert false_discovery_rates([0.01, None, None]) == pytest.approx([0.03, 1.0, 1.0])
    assert false_discovery_rates([]) == []


def test_e_value_of_published_examples():
    # VanderWeele and Ding 2017: 3.9 has the E-value 7.26, its limit 1.8 has 3.0.
    assert e_value(3.9) == pytest.approx(7.26, abs=0.005)
    assert e_value(1.8) == pytest.approx(3.0, abs=0.005)
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))
    assert e_value(1.0) == 1.0


def test_the_e_value_of_a_limit_is_one_where_the_interval_holds_none():
    difference, limit = e_values(-4.0, -6.0, 1.0, 10.0)
    assert difference == pytest.approx(e_value(math.exp(-0.364)))
    assert limit == 1.0
    assert e_values(-4.0, -6.0, -2.0, 10.0)[1] == pytest.approx(e_value(math.exp(0.182)))
    assert e_values(4.0, 2.0, 6.0, 10.0)[1] == pytest.approx(e_value(math.exp(0.182)))
    assert e_values(4.0, 2.0, 6.0, 0.0) is None


def test_p_is_two_sided():
    assert two_sided_p(-1.959964, 1.0) == pytest.approx(0.05, abs=1e-6)
    assert two_sided_p(0.0, 1.0) == 1.0
    assert two_sided_p(1.0, 0.0) is None


def test_drawing_patients_finds_the_error_of_a_mean_and_is_the_same_each_time():
    values = np.random.default_rng(3).normal(size=(400, 1))
    per_patient = np.column_stack([values, np.ones(400)])

    def mean(sums):
        return sums[:, 0] / sums[:, 1]

    draws = patient_draws(per_patient, mean)
    assert len(draws) == 2000
    assert draws.std(ddof=1) == pytest.approx(values.std() / 20, rel=0.06)
    assert np.array_equal(draws, patient_draws(per_patient, mean))


def test_settled_figures_do_not_depend_on_the_order_of_a_sum():
    values = [0.1, 0.2, 0.3, 1e8, -1e8]
    assert settled(0.1 + 0.2 + 0.3) == settled(0.3 + 0.2 + 0.1) == 0.6
    assert sum(values) != sum(reversed(values))
