"""What several estimates share: p values, false discovery rates, E-values, and draws of patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

Z = 1.959964  # two-sided 95 %
SEED = 20250101
# Fewer patients than these are described, not estimated (domain 4.12: n < 30 is descriptive only).
FEWEST_PATIENTS = 30
REPLICATES = 2000
_DRAWS_AT_ONCE = 4_000_000  # weights of a chunk of draws: 32 MB, so that memory is flat in the number of patients


def product(subscripts: str, first: Floats, second: Floats) -> Floats:
    """A sum of products by Einstein's notation, without BLAS: its threads take fifty times as long for small matrices on a
    machine that is busy, and add up in an order that is not always the same.

    >>> product("nk,k->n", np.eye(2), np.array([3.0, 4.0])).tolist()
    [3.0, 4.0]
    """
    found: Floats = np.einsum(subscripts, first, second)
    return found


def settled(value: float) -> float:
    """Ten significant digits: sums added up in another order, by other threads, must not make another figure.

    >>> settled(0.1 + 0.2), settled(12345.67890123456)
    (0.3, 12345.6789)
    """
    return float(f"{value:.10g}")


def two_sided_p(estimate: float, error: float) -> float | None:
    """Probability of an estimate at least so far from 0, if the truth were 0 and the estimate normal. None without an error.

    >>> round(two_sided_p(1.959964, 1.0), 4)
    0.05
    """
    if not error > 0.0:
        return None
    return math.erfc(abs(estimate) / error / math.sqrt(2.0))


def false_discovery_rates(p_values: Sequence[float | None]) -> list[float]:
    """Benjamini-Hochberg: q of each p, in their order. A test that was refused (None) counts as p = 1.

    q(i) = min over j >= i of m p(j) / j, of the m p values in ascending order, at most 1.

    >>> false_discovery_rates([0.04, 0.01, None])
    [0.06, 0.03, 1.0]
    """
    p = np.array([1.0 if value is None else value for value in p_values], dtype=np.float64)
    if not len(p):
        return []
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return [float(value) for value in q]


def e_value(risk_ratio: float) -> float:
    """How strongly something unmeasured must go with both treatment and outcome to explain a risk ratio away.

    VanderWeele and Ding 2017: RR + sqrt(RR (RR - 1)); of an RR below 1 its inverse.

    >>> round(e_value(2.0), 3), round(e_value(0.5), 3)
    (3.414, 3.414)
    """
    ratio = risk_ratio if risk_ratio >= 1.0 else 1.0 / risk_ratio
    return ratio + math.sqrt(ratio * (ratio - 1.0))


def e_values(difference: float, low: float, high: float, deviation: float) -> tuple[float, float] | None:
    """E-value of a difference of means, and of its limit nearer to none: 1 if the interval holds 0.

    The risk ratio of a difference of d standard deviations is taken as exp(.91 d). None if the outcome does not vary.
    """
    if not deviation > 0.0:
        return None
    near = 0.0 if low <= 0.0 <= high else min(low, high, key=abs)
    return e_value(math.exp(0.91 * difference / deviation)), e_value(math.exp(0.91 * near / deviation))


def patient_draws(
    per_patient: Floats, estimate: Callable[[Floats], Floats], replicates: int = REPLICATES, seed: int = SEED
) -> Floats:
    """Estimates from samples of patients drawn with replacement, (replicates, ...): the patient-cluster bootstrap.

    `per_patient` (patients, k) holds each patient's part in k sums; `estimate` makes estimates of such sums, (draws, k) to
    (draws, ...). A patient's records stay together, whatever their number.
    """
    count = len(per_patient)
    random = np.random.default_rng(seed)
    chunk = max(1, _DRAWS_AT_ONCE // max(count, 1))
    found = []
    for first in range(0, replicates, chunk):
        size = min(chunk, replicates - first)
        weights = [np.bincount(random.integers(count, size=count), minlength=count) for _ in range(size)]
        found.append(estimate(np.array(weights, dtype=np.float64) @ per_patient))
    return np.concatenate(found)
