"""The prior of ratings: golden vector, likelihood against SciPy and a grid, its bounds and fall-backs."""

import random

import duckdb
import numpy as np
import pytest
from scipy import stats

from flows.stages.functions import add_functions
from flows.stages.shrinkage import beta_binomial_prior, log_likelihood, weight_by_moments
from schemas.codes import code_list
from sql import statement

GOLDEN = {"A": (8, 10), "B": (40, 80), "C": (3, 3), "D": (55, 120)}
EXPECTED = {
    "A": (0.6488, 0.4333, 0.8362),
    "B": (0.4997, 0.3973, 0.6022),
    "C": (0.6136, 0.3471, 0.8470),
    "D": (0.4614, 0.3767, 0.5471),
}


@pytest.fixture(scope="module")
def con():
    with duckdb.connect(":memory:") as opened:
        add_functions(opened)
        opened.execute(statement("macros/shrunk_share"))
        yield opened


def test_golden_vector_with_the_fixed_weight(con):
    """Four treatments do not tell how much they differ: weight 10. By the lower limit three of three ranks last."""
    successes, totals = zip(*GOLDEN.values(), strict=True)
    found = {}
    for name, (x, n) in GOLDEN.items():
        found[name] = con.execute(
            "SELECT shrunk_share($x, $n, p.a, p.b), beta_quantile(0.025, $x + p.a, $n - $x + p.b), "
            "beta_quantile(0.975, $x + p.a, $n - $x + p.b), p.a, p.b, p.fit "
            "FROM (SELECT beta_binomial_prior($xs::BIGINT[], $ns::BIGINT[]) AS p)",
            {"x": x, "n": n, "xs": list(successes), "ns": list(totals)},
        ).fetchone()
    for name, expected in EXPECTED.items():
        assert found[name][:3] == pytest.approx(expected, abs=5e-5)
        assert found[name][3:5] == pytest.approx((4.97653, 5.02347), abs=5e-6)
        assert found[name][5] == "fixed"
        x, n = GOLDEN[name]
        a, b = found[name][3:5]
        assert found[name][1] == pytest.approx(stats.beta(x + a, n - x + b).ppf(0.025))
    assert sorted(found, key=lambda name: -found[name][1]) == ["A", "B", "D", "C"]


def test_no_treatment_no_prior(con):
    assert beta_binomial_prior([], []) is None
    assert beta_binomial_prior([0, 0], [0, 0]) is None
    assert con.execute("SELECT beta_binomial_prior([0], [0])").fetchone() == (None,)
    assert con.execute("SELECT shrunk_share(0, 0, 1, 1)").fetchone() == (None,)


def test_log_likelihood_is_scipy_s_but_for_a_constant():
    arms = [(8, 10), (40, 80), (3, 3), (0, 7)]

    def theirs(a, b):
        return sum(stats.betabinom(n, a, b).logpmf(x) for x, n in arms)

    mine = log_likelihood(arms, 0.4, 20) - log_likelihood(arms, 0.6, 5)
    assert mine == pytest.approx(theirs(8, 12) - theirs(3, 2))


@pytest.mark.parametrize("seed", range(8))
def test_the_fit_is_the_most_likely_of_a_fine_grid(seed):
    g = np.random.default_rng(seed)
    totals = g.integers(11, 200, size=g.integers(5, 15))
    m, weight = g.uniform(0.2, 0.8), float(np.exp(g.uniform(1, 6)))
    successes = g.binomial(totals, g.beta(m * weight, (1 - m) * weight, len(totals)))
    found = beta_binomial_prior(successes.tolist(), totals.tolist())
    assert found["fit"] == "likelihood"
    arms = list(zip(successes.tolist(), totals.tolist(), strict=True))
    fitted_weight = found["a"] + found["b"]
    assert 2 - 1e-9 <= fitted_weight <= 1000 + 1e-6
    best = max(
        log_likelihood(arms, usual, np.exp(log_weight))
        for usual in np.linspace(0.02, 0.98, 97)
        for log_weight in np.linspace(np.log(2), np.log(1000), 80)
    )
    assert log_likelihood(arms, found["a"] / fitted_weight, fitted_weight) >= best - 1e-6


def test_treatments_rated_alike_get_the_greatest_weight_and_very_unlike_ones_the_least():
    alike = beta_binomial_prior([50] * 8, [100] * 8)
    assert alike["a"] + alike["b"] == pytest.approx(1000, rel=1e-6)
    unlike = beta_binomial_prior([100, 0] * 4, [100] * 8)
    assert unlike["a"] + unlike["b"] == pytest.approx(2, rel=1e-6)


def test_nobody_content_with_any_treatment_still_gives_a_prior():
    found = beta_binomial_prior([0] * 6, [30] * 6)
    assert found["a"] > 0 and found["a"] / (found["a"] + found["b"]) < 0.001
    assert beta_binomial_prior([0], [30])["a"] > 0


def test_moments_find_the_weight_of_many_large_treatments():
    g = np.random.default_rng(3)
    totals = np.full(4000, 100)
    successes = g.binomial(totals, g.beta(8, 12, 4000))
    arms = list(zip(successes.tolist(), totals.tolist(), strict=True))
    assert weight_by_moments(arms) == pytest.approx(20, rel=0.1)
    assert weight_by_moments([(5, 10), (5, 10)]) == 1000
    assert weight_by_moments([(0, 10), (10, 10)]) == 2


def test_moments_take_over_where_the_likelihood_is_not_solved(monkeypatch):
    import scipy.optimize

    class Lost:
        success, fun, x = False, 0.0, (0.0, 0.0)

    monkeypatch.setattr(scipy.optimize, "minimize", lambda *args, **kwargs: Lost())
    successes, totals = [10, 30, 50, 20, 44], [60] * 5
    found = beta_binomial_prior(successes, totals)
    assert found["fit"] == "moments"
    assert found["a"] + found["b"] == pytest.approx(weight_by_moments(list(zip(successes, totals, strict=True))))
    assert found["a"] / (found["a"] + found["b"]) == pytest.approx(sum(successes) / 300)


def test_the_order_of_treatments_does_not_matter():
    g = random.Random(5)
    arms = [(g.randrange(10, 40), 60) for _ in range(9)]
    first = beta_binomial_prior(*zip(*arms, strict=True))
    other = beta_binomial_prior(*zip(*sorted(arms), strict=True))
    assert (first["a"], first["b"]) == pytest.approx((other["a"], other["b"]), rel=1e-4)


def test_the_category_of_a_treatment_is_the_code_list_s(con):
    for entry in code_list("treatment").codes:
        assert con.execute("SELECT treatment_category($code)", {"code": entry.code}).fetchone() == (entry.category,)
    assert con.execute("SELECT treatment_category('canonical:brew'), treatment_category(NULL)").fetchone() == (
        None,
        None,
    )
