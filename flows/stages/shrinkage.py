"""How much treatments for one purpose differ in their ratings: the beta-binomial prior to which each is shrunk.

A treatment with x of n good ratings is taken as a draw from Beta(a, b), its ratings as x of n from that. m = a / (a + b) is
what is usual, M = a + b how alike treatments are: of the weight of M ratings.
Method: marginal maximum likelihood; Kleinman (1973), J. Am. Stat. Assoc. 68:46, for the moments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST_WEIGHT, GREATEST_WEIGHT = 2.0, 1000.0
# Fewer treatments do not tell how much they differ: then a weight of ten ratings.
LEAST_ARMS, FIXED_WEIGHT = 5, 10.0
_EDGE = 1e-4


def beta_binomial_prior(successes: Sequence[int], totals: Sequence[int]) -> dict[str, float | str] | None:
    """Parameters a and b of the prior, and how they were found: `likelihood`, `moments` or `fixed`. None without any total.

    >>> beta_binomial_prior([8, 40, 3, 45], [10, 80, 3, 99])
    {'a': 5.0, 'b': 5.0, 'fit': 'fixed'}
    """
    arms = [(x, n) for x, n in zip(successes, totals, strict=True) if n > 0]
    if not arms:
        return None
    usual = sum(x for x, _ in arms) / sum(n for _, n in arms)
    if len(arms) < LEAST_ARMS:
        return _prior(usual, FIXED_WEIGHT, "fixed")
    weight = weight_by_moments(arms)
    found = _most_likely(arms, usual, weight)
    return _prior(*found, "likelihood") if found is not None else _prior(usual, weight, "moments")


def weight_by_moments(arms: Sequence[tuple[int, int]]) -> float:
    """M from how much more the shares scatter than by chance; the greatest weight if they do not."""
    total = sum(n for _, n in arms)
    usual = sum(x for x, _ in arms) / total
    spread = usual * (1 - usual)
    free = len(arms) - 1
    room = total - sum(n * n for _, n in arms) / total - free
    if spread == 0 or room <= 0:
        return GREATEST_WEIGHT
    scatter = sum(n * (x / n - usual) ** 2 for x, n in arms) / spread
    alike = (scatter - free) / room  # correlation of two ratings of one treatment, 1 / (M + 1)
    if alike <= 0:
        return GREATEST_WEIGHT
    return min(max(1 / alike - 1, LEAST_WEIGHT), GREATEST_WEIGHT)


def log_likelihood(arms: Sequence[tuple[int, int]], usual: float, weight: float) -> float:
    """Marginal log-likelihood of the ratings, without the binomial coefficients."""
    a, b = usual * weight, (1 - usual) * weight

    def log_beta(p: float, q: float) -> float:
        return math.lgamma(p) + math.lgamma(q) - math.lgamma(p + q)

    return sum(log_beta(x + a, n - x + b) - log_beta(a, b) for x, n in arms)


def _most_likely(arms: Sequence[tuple[int, int]], usual: float, weight: float) -> tuple[float, float] | None:
    # SciPy is slow to import and needed only when a report is built.
    from scipy.optimize import minimize

    def cost(point: Sequence[float]) -> float:
        return -log_likelihood(arms, 1 / (1 + math.exp(-point[0])), math.exp(point[1]))

    inside = min(max(usual, _EDGE), 1 - _EDGE)
    edge = math.log((1 - _EDGE) / _EDGE)
    bounds = [(-edge, edge), (math.log(LEAST_WEIGHT), math.log(GREATEST_WEIGHT))]
    starts = sorted({weight, LEAST_WEIGHT, FIXED_WEIGHT, 100.0, GREATEST_WEIGHT})
    fits = [
        minimize(cost, [math.log(inside / (1 - inside)), math.log(start)], method="L-BFGS-B", bounds=bounds)
        for start in starts
    ]
    fits = [fit for fit in fits if fit.success and math.isfinite(fit.fun)]
    if not fits:
        return None
    best = min(fits, key=lambda fit: float(fit.fun))
    return 1 / (1 + math.exp(-best.x[0])), math.exp(best.x[1])


def _prior(usual: float, weight: float, fit: str) -> dict[str, float | str]:
    inside = min(max(usual, _EDGE), 1 - _EDGE)
    return {"a": inside * weight, "b": (1 - inside) * weight, "fit": fit}
