"""Functions that SQL lacks and statistics need: quantiles of distributions, as SciPy computes them, a fit, a bootstrap, a code list.

They are known to a connection once `add_functions` was called; marts call them like any other function. NULL in, NULL out;
a parameter outside its range gives NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import duckdb
from duckdb.func import ARROW, SPECIAL

from flows.stages.shrinkage import beta_binomial_prior
from schemas.codes import code_list

RESAMPLES, RESAMPLING_SEED = 2000, 4_031_958


def add_functions(con: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to a connection: to add them again changes nothing.

    `beta_quantile(p, a, b)`, `t_quantile(p, df)`, `chi2_quantile(p, df)`: the value below which a share p of the distribution lies.
    `beta_binomial_prior(successes, totals)`: see `flows.stages.shrinkage`. `treatment_category(code)`: of the code list.
    `bootstrap_mean(values)`: list of the two 95 % limits of a mean; NULL for fewer than five values or values all alike. Give
    the values in their order of size, so that the limits do not depend on that of the rows.
    """
    known = {name for (name,) in con.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
    double = duckdb.sqltypes.DOUBLE
    for name, quantile, parameters in (("beta_quantile", _beta, 3), ("t_quantile", _t, 2), ("chi2_quantile", _chi2, 2)):
        if name not in known:
            con.create_function(name, quantile, [double] * parameters, double, type=ARROW, null_handling=SPECIAL)
    if "beta_binomial_prior" not in known:
        counts = duckdb.list_type(duckdb.sqltypes.BIGINT)
        prior = duckdb.struct_type({"a": double, "b": double, "fit": duckdb.sqltypes.VARCHAR})
        con.create_function("beta_binomial_prior", beta_binomial_prior, [counts, counts], prior, null_handling=SPECIAL)
    if "treatment_category" not in known:
        text = duckdb.sqltypes.VARCHAR
        con.create_function("treatment_category", _category, [text], text, null_handling=SPECIAL)
    if "bootstrap_mean" not in known:
        numbers = duckdb.list_type(double)
        con.create_function("bootstrap_mean", _bootstrap_means, [numbers], numbers, type=ARROW, null_handling=SPECIAL)


def _category(treatment_code: str | None) -> str | None:
    return _categories().get(treatment_code or "")


@cache
def _categories() -> dict[str, str | None]:
    return {entry.code: entry.category for entry in code_list("treatment").codes}


def _beta(p: Any, a: Any, b: Any) -> Any:
    from scipy.special import betaincinv

    return _of_columns(lambda p, a, b: betaincinv(a, b, p), p, a, b)


def _t(p: Any, df: Any) -> Any:
    from scipy.special import stdtrit

    return _of_columns(lambda p, df: stdtrit(df, p), p, df)


def _chi2(p: Any, df: Any) -> Any:
    from scipy.special import gammaincinv

    return _of_columns(lambda p, df: 2.0 * gammaincinv(df / 2.0, p), p, df)


def _of_columns(quantile: Callable[..., Any], *columns: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    with np.errstate(all="ignore"):
        found = quantile(*(column.to_numpy(zero_copy_only=False) for column in columns))
    return pa.array(found, type=pa.float64(), mask=~np.isfinite(found))


def _bootstrap_means(groups: Any) -> Any:
    import pyarrow as pa

    return pa.array([_bootstrap_mean(values) for values in groups.to_pylist()], type=pa.list_(pa.float64()))


def _bootstrap_mean(values: list[float] | None) -> list[float] | None:
    """BCa limits (Efron 1987, J. Am. Stat. Assoc. 82:171-185): percentiles of resampled means, shifted for bias and skewness."""
    import numpy as np
    from scipy.special import ndtr, ndtri

    if values is None or len(values) < 5 or min(values) == max(values):
        return None
    given = np.array(values, dtype=float)
    mean, deviations = given.mean(), given - given.mean()
    means = given[_resampled(len(values))].mean(axis=1)
    below = (np.mean(means < mean) + np.mean(means <= mean)) / 2
    bias = ndtri(below)
    skew = (deviations**3).sum() / (6.0 * (deviations**2).sum() ** 1.5)
    shifted = bias + ndtri(np.array([0.025, 0.975]))
    low, high = np.quantile(means, ndtr(bias + shifted / (1.0 - skew * shifted)))
    return [float(low), float(high)]


@cache
def _resampled(size: int) -> Any:
    """Which values stand in each resample, always the same: a repeat of a report has the same limits."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=RESAMPLING_SEED)).integers(size, size=(RESAMPLES, size))
