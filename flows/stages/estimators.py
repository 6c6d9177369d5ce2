"""Marts that SQL alone cannot make, because they need iteration, matching or resampling.

Such a mart has its file in `sql/marts` like any other, with its header and its place in the order. What its statement yields,
sufficient statistics or candidates in a stated order, goes through the function registered here under the mart's name, and
what that returns is the mart. A function sees nothing else, uses no clock and a fixed seed: the same rows, the same mart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

ESTIMATED = ("comparison", "loop_correlation", "loop_lag")


def estimate(mart: str, rows: pa.Table) -> pa.Table:
    """The rows of an estimated mart from what its statement yields. KeyError if the mart is not an estimated one."""
    # NumPy and Arrow take a while to import, and most runs of the command line need neither.
    from flows.stages import lags, trials

    functions = {
        "comparison": trials.compare,
        "loop_correlation": lags.fit_correlations,
        "loop_lag": lags.fit_lags,
    }
    return functions[mart](rows)
