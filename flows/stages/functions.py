"""Functions that SQL lacks and statistics need: quantiles of distributions, as SciPy computes them.

They are known to a connection once `add_functions` was called; marts call them like any other function. NULL in, NULL out;
a parameter outside its range gives NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
from duckdb.func import ARROW, SPECIAL


def add_functions(con: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to a connection: to add them again changes nothing.

    `beta_quantile(p, a, b)`, `t_quantile(p, df)`, `chi2_quantile(p, df)`: the value below which a share p of the distribution lies.
    """
    known = {name for (name,) in con.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
    double = duckdb.sqltypes.DOUBLE
    for name, quantile, parameters in (("beta_quantile", _beta, 3), ("t_quantile", _t, 2), ("chi2_quantile", _chi2, 2)):
        if name not in known:
            con.create_function(name, quantile, [double] * parameters, double, type=ARROW, null_handling=SPECIAL)


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
