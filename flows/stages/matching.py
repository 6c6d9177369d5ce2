"""Matching of those who start a treatment with those who do not: propensity, pairs, and how alike the two arms are.

Arrays: n candidates, k covariates. Nothing here knows of outcomes, so no outcome can steer who is matched with whom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.stages.inference import Flags, Floats, Ints, product

CALIPER = 0.2  # standard deviations of the logit of the propensity (Austin 2011)
PENALTY = 1.0  # as if each log odds ratio per standard deviation were known to be about 0, give or take 1
_STEPS, _TOLERANCE = 50, 1e-8


def propensity_logits(covariates: Floats, is_starter: Flags, penalty: float = PENALTY) -> Floats | None:
    """Log odds of being a starter by penalised maximum likelihood (Newton), (n,). None if no maximum was found.

    `covariates` (n, k) in standard deviations, without a constant. Among sampled candidates only the constant is off, and
    that shifts all of a stratum alike. Without a penalty there is no maximum where no starter, or nobody else, has a rare
    characteristic.
    """
    x = np.column_stack([np.ones(len(covariates)), covariates])
    ridge = np.full(x.shape[1], penalty)
    ridge[0] = 0.0
    beta = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        chance = _logistic(product("nk,k->n", x, beta))
        curvature = product("nk,nj->kj", x * (chance * (1.0 - chance))[:, None], x) + np.diag(ridge)
        try:
            step = np.linalg.solve(curvature, product("nk,n->k", x, is_starter - chance) - ridge * beta)
        except np.linalg.LinAlgError:
            return None
        beta = beta + step
        if np.abs(step).max() < _TOLERANCE:
            return product("nk,k->n", x, beta)
    return None


def _logistic(logits: Floats) -> Floats:
    chance: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    return chance


def match_pairs(
    logits: Floats, covariates: Floats, is_starter: Flags, is_first: Flags, stratum: Ints
) -> NDArray[np.int64]:
    """Pairs (m, 2) of row numbers, starter and control: greedy, 1:1, without replacement, within a stratum.

    Starters choose in the order of the rows, those of `is_first` before all others. Of the controls of its stratum that are left
    and whose logit is within the caliper, each takes the one after which the sums of all starters' and of all controls'
    covariates so far are least apart: the propensity alone would leave covariates as unlike as chance does. A starter
    without such a control stays without. `covariates` (n, k) in the deviations that balance is measured in.
    """
    caliper = CALIPER * logits.std(ddof=1)
    controls_of = {int(one): np.flatnonzero((stratum == one) & ~is_starter) for one in np.unique(stratum)}
    is_left = ~is_starter
    apart = np.zeros(covariates.shape[1])
    pairs: list[tuple[int, int]] = []
    for starter in [*np.flatnonzero(is_starter & is_first), *np.flatnonzero(is_starter & ~is_first)]:
        controls = controls_of[int(stratum[starter])]
        near = controls[is_left[controls] & (np.abs(logits[controls] - logits[starter]) <= caliper)]
        if len(near):
            then = apart + covariates[starter] - covariates[near]
            chosen = int(np.argmin(product("nk,nk->n", then, then)))
            apart = then[chosen]
            is_left[near[chosen]] = False
            pairs.append((int(starter), int(near[chosen])))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def standardised_differences(starters: Floats, controls: Floats, deviations: Floats) -> Floats:
    """Difference of the means of each covariate over its deviation before matching, (k,). 0 where it does not vary."""
    difference: Floats = starters.mean(axis=0) - controls.mean(axis=0)
    found: Floats = np.divide(difference, deviations, out=np.zeros_like(difference), where=deviations > 0.0)
    return found


def deviations_before(starters: Floats, controls: Floats) -> Floats:
    """The deviation that differences are measured in, (k,): root of the mean of the two arms' variances before matching."""
    deviations: Floats = np.sqrt((starters.var(axis=0, ddof=1) + controls.var(axis=0, ddof=1)) / 2.0)
    return deviations
