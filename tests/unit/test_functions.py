"""The functions that SQL lacks, against SciPy's distributions."""

import duckdb
import pytest
from scipy import stats

from flows.stages.functions import add_functions


@pytest.fixture(scope="module")
def con():
    with duckdb.connect(":memory:") as opened:
        add_functions(opened)
        add_functions(opened)
        yield opened


CALLS = [
    ("beta_quantile(0.025, 12.97653, 7.02347)", stats.beta(12.97653, 7.02347).ppf(0.025)),
    ("beta_quantile(0.975, 0.5, 200)", stats.beta(0.5, 200).ppf(0.975)),
    ("t_quantile(0.975, 29)", stats.t(29).ppf(0.975)),
    ("t_quantile(0.975, 1)", stats.t(1).ppf(0.975)),
    ("chi2_quantile(0.025, 2 * 7)", stats.chi2(14).ppf(0.025)),
    ("chi2_quantile(0.975, 2)", 2 * 3.6888794541139363),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=[call for call, _ in CALLS])
def test_agrees_with_the_distribution(con, call, expected):
    assert con.execute(f"SELECT {call}").fetchone()[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "call", ["t_quantile(0.975, NULL)", "t_quantile(0.975, 0)", "beta_quantile(0.5, -1, 2)", "chi2_quantile(0.5, 0)"]
)
def test_what_is_not_defined_is_null(con, call):
    assert con.execute(f"SELECT {call}").fetchone() == (None,)


def test_it_takes_columns(con):
    found = con.execute("SELECT t_quantile(0.975, df) FROM range(1, 3001) AS r(df)").fetchall()
    assert [value for (value,) in found] == pytest.approx(list(stats.t.ppf(0.975, range(1, 3001))))
