"""The interval of a share, against statsmodels and the values of the literature."""

import duckdb
import pytest
from statsmodels.stats.proportion import proportion_confint

from sql import statement


@pytest.fixture(scope="module")
def limits():
    with duckdb.connect(":memory:") as con:
        con.execute(statement("macros/wilson_low"))
        con.execute(statement("macros/wilson_high"))
        yield lambda x, n: con.execute(
            "SELECT wilson_low($x::BIGINT, $n::BIGINT), wilson_high($x::BIGINT, $n::BIGINT)", {"x": x, "n": n}
        ).fetchone()


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [(0, 12, 0, 0.2425), (12, 12, 0.7575, 1), (7, 20, 0.1812, 0.5671), (180, 400, 0.4020, 0.4990)],
)
def test_known_values(limits, x, n, low, high):
    assert limits(x, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 2, 11, 60, 997, 3_000_000])
def test_agrees_with_statsmodels(limits, n):
    for x in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        assert limits(x, n) == pytest.approx(proportion_confint(x, n, method="wilson"), abs=1e-12)


def test_no_one_gives_no_interval_and_the_ends_are_exact(limits):
    assert limits(0, 0) == (None, None)
    assert limits(0, 7)[0] == 0.0
    assert limits(7, 7)[1] == 1.0
