"""The loop of fatigue, inactivity and weakness within patients: lagged regressions and rank correlations, pooled.

SQL gives each patient's sums of products, freed of level and straight line; here they are added up over patients, solved, and
their errors found by drawing patients with replacement. Per outcome there is one regression on all three predictors of the
month before, and on the number of treatments then and now: two series that merely both worsen would else seem to drive each
other, and a treatment's step would seem to be persistence (addendum B, 4.10 and 4.11).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.stages.inference import (
    FEWEST_PATIENTS,
    Floats,
    Z,
    false_discovery_rates,
    patient_draws,
    settled,
    two_sided_p,
)

STATES = ("fatigue", "activity", "weakness")
PREDICTORS = 5  # the three states, treatments before, treatments now
_UPPER = np.triu_indices(PREDICTORS)
_PRODUCTS = len(_UPPER[0]) + PREDICTORS * len(STATES)  # of one part of a series
_PAIRS = (("fatigue", "activity"), ("activity", "weakness"), ("weakness", "fatigue"))

LAG_SCHEMA = pa.schema(
    [
        ("series", pa.string()),
        ("lag_months", pa.int32()),
        ("predictor", pa.string()),
        ("outcome", pa.string()),
        ("patient_count", pa.int64()),
        ("pair_count", pa.int64()),
        ("slope", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("scaled_slope", pa.float64()),
        ("scaled_low", pa.float64()),
        ("scaled_high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
    ]
)
CORRELATION_SCHEMA = pa.schema(
    [
        ("pair", pa.string()),
        ("patient_count", pa.int64()),
        ("constant_count", pa.int64()),
        ("within", pa.float64()),
        ("within_low", pa.float64()),
        ("within_high", pa.float64()),
        ("between", pa.float64()),
        ("between_low", pa.float64()),
        ("between_high", pa.float64()),
    ]
)


def fit_lags(rows: pa.Table) -> pa.Table:
    """Slopes of each state on each state before, for every kind of series and lag in `rows` (statement marts/loop_lag).

    Long series are corrected by the half-panel jackknife, 2b - (b1 + b2) / 2; short ones have no halves. Intervals are normal
    with the bootstrap's standard error. q values are taken over the slopes of one state on another in long series, all lags
    together: one family, fixed before anything is seen. A scaled slope is in within-patient standard deviations.
    Fewer than 30 patients: no slopes.
    """
    found = [
        row for series, lag, group in _groups(rows) for row in _fit_group(series, lag, group, is_long=series == "long")
    ]
    family = [row for row in found if row["series"] == "long" and row["predictor"] != row["outcome"]]
    for row, q in zip(family, false_discovery_rates([row.get("p_value") for row in family]), strict=True):
        row["q_value"] = q
    return pa.Table.from_pylist(found, schema=LAG_SCHEMA)


def _groups(rows: pa.Table) -> Iterator[tuple[str, int, pa.Table]]:
    kinds = rows.select(["series", "lag_months"]).group_by(["series", "lag_months"]).aggregate([]).to_pylist()
    for kind in sorted(kinds, key=lambda kind: (kind["series"], kind["lag_months"])):
        chosen = pc.and_(pc.equal(rows["series"], kind["series"]), pc.equal(rows["lag_months"], kind["lag_months"]))
        yield kind["series"], kind["lag_months"], rows.filter(chosen)


def _fit_group(series: str, lag: int, rows: pa.Table, *, is_long: bool) -> Iterator[dict[str, Any]]:
    patients = rows.num_rows
    parts = 3 if is_long else 1
    products = rows["products"].combine_chunks().flatten().to_numpy().reshape(patients, parts * _PRODUCTS)
    pairs = int(pc.sum(rows["pair_count"]).as_py())
    common = {"series": series, "lag_months": lag, "patient_count": patients, "pair_count": pairs}
    is_estimated = patients >= FEWEST_PATIENTS
    if is_estimated:
        slopes, errors, spread = slopes_of(products)
    for predictor, before in enumerate(STATES):
        for outcome, after in enumerate(STATES):
            row: dict[str, Any] = common | {"predictor": before, "outcome": after}
            if is_estimated:
                slope, error = float(slopes[predictor, outcome]), float(errors[predictor, outcome])
                limits = {"slope": slope, "low": slope - Z * error, "high": slope + Z * error}
                row |= {name: settled(value) for name, value in limits.items()}
                if spread[outcome] > 0.0:
                    scale = float(spread[predictor] / spread[outcome])
                    row |= {f"scaled_{name}": settled(value * scale) for name, value in limits.items()}
                row["p_value"] = two_sided_p(slope, error)
            yield row


def slopes_of(products: Floats) -> tuple[Floats, Floats, Floats]:
    """Slopes (predictor, outcome), their bootstrap errors, and within-patient deviations of the states up to one factor.

    `products` is (patients, 30) of whole series, or (patients, 90) with those of their first and second halves.
    """
    total = products.sum(axis=0, keepdims=True)
    errors = patient_draws(products, _solve).std(axis=0, ddof=1)
    spread = np.sqrt(_square(total[:, :_PRODUCTS])[0].diagonal()[: len(STATES)])
    return _solve(total)[0], errors, spread


def _solve(sums: Floats) -> Floats:
    """(draws, parts x 30) sums of products to (draws, 3, 3) slopes, corrected if there are halves."""
    parts = [sums[:, first : first + _PRODUCTS] for first in range(0, sums.shape[1], _PRODUCTS)]
    slopes = [_regress(part) for part in parts]
    return slopes[0] if len(slopes) == 1 else 2.0 * slopes[0] - (slopes[1] + slopes[2]) / 2.0


def _regress(sums: Floats) -> Floats:
    square = _square(sums)
    outcome = sums[:, len(_UPPER[0]) :].reshape(-1, PREDICTORS, len(STATES))
    # Minutes and severities differ a thousandfold. A predictor that never varies, such as treatments where there are none,
    # has the slope 0.
    scale = np.sqrt(np.einsum("npp->np", square))
    scale = np.where(scale > 0.0, scale, 1.0)
    inverse = np.linalg.pinv(square / (scale[:, :, None] * scale[:, None, :]), rcond=1e-10, hermitian=True)
    slopes: Floats = (inverse @ (outcome / scale[:, :, None])) / scale[:, :, None]
    return slopes[:, : len(STATES)]


def _square(sums: Floats) -> Floats:
    square = np.zeros((len(sums), PREDICTORS, PREDICTORS))
    square[:, _UPPER[0], _UPPER[1]] = sums[:, : len(_UPPER[0])]
    square[:, _UPPER[1], _UPPER[0]] = sums[:, : len(_UPPER[0])]
    return square


def fit_correlations(rows: pa.Table) -> pa.Table:
    """Spearman correlations of each pair of states: pooled within patients, and between patients' means.

    Within: Fisher's z of each patient's correlation (cut at .999), weighted by months - 3; the error from the scatter between
    patients, since months of a patient are no independent observations (addendum B, 4.10). Patients in whom one of the two never changes have
    none: they are counted. Between: Fisher's z with the error sqrt(1.06 / (n - 3)) of rank correlations (Fieller 1957).
    """
    weights = rows["month_count"].to_numpy().astype(np.float64) - 3.0
    found = []
    for first, second in _PAIRS:
        correlation = rows[f"{first}_{second}"].to_numpy()
        is_known = ~np.isnan(correlation)
        row: dict[str, Any] = {
            "pair": f"{first}_{second}",
            "patient_count": int(is_known.sum()),
            "constant_count": int((~is_known).sum()),
        }
        if is_known.sum() >= FEWEST_PATIENTS:
            z = np.arctanh(np.clip(correlation[is_known], -0.999, 0.999))
            row |= _limits("within", *_weighted_mean(z, weights[is_known]))
        if rows.num_rows >= FEWEST_PATIENTS:
            means = [rows[f"{name}_mean"].to_numpy() for name in (first, second)]
            if (between := _rank_correlation(*means)) is not None:
                row |= _limits("between", float(np.arctanh(between)), float(np.sqrt(1.06 / (rows.num_rows - 3))))
        found.append(row)
    return pa.Table.from_pylist(found, schema=CORRELATION_SCHEMA)


def _weighted_mean(values: Floats, weights: Floats) -> tuple[float, float]:
    """A mean over patients and its error: what drawing patients comes to for so plain an estimate, without the drawing."""
    mean = float(np.average(values, weights=weights))
    scatter = float(np.square(weights * (values - mean)).sum()) * len(values) / (len(values) - 1)
    return mean, scatter**0.5 / float(weights.sum())


def _limits(name: str, z: float, error: float) -> dict[str, float]:
    values = (z, z - Z * error, z + Z * error)
    return {
        key: settled(float(np.tanh(value)))
        for key, value in zip((name, f"{name}_low", f"{name}_high"), values, strict=True)
    }


def _rank_correlation(first: Floats, second: Floats) -> float | None:
    """Spearman's correlation, cut at .999; None if one of the two is the same for all."""
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return None
    return float(np.clip(np.corrcoef(_mean_ranks(first), _mean_ranks(second))[0, 1], -0.999, 0.999))


def _mean_ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(count) - (count - 1) / 2.0)[place]
    return ranks
