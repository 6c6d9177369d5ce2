"""What the cohort's model says the marts of the loop and of comparisons should find, computed from the latent course."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from flows.cohort import simulate_block
from flows.cohort.model import MONTHS, TREATMENT_EFFECTS, TREATMENTS, Block, severity_of

STATES = ("fatigue", "activity", "weakness")
REFERENCE_SEED = 77  # a cohort of its own, complete, from which true values are read that have no formula
REFERENCE_BLOCKS = 10
FOLLOW_UP_MONTHS = 3


def reference(blocks: int) -> Iterator[Block]:
    for number in range(blocks):
        yield simulate_block(REFERENCE_SEED, number, report_probability=1.0)


@cache
def true_effects(blocks: int = REFERENCE_BLOCKS) -> dict[tuple[str, str], float]:
    """(treatment, estimand) -> points of the score: while it is taken, and of all who start, some of whom stop by then."""
    is_on: list[list[np.ndarray]] = [[] for _ in TREATMENTS]
    for block in reference(blocks):
        for place in range(len(TREATMENTS)):
            start = block.start_month[:, place]
            who = np.flatnonzero((start >= 0) & (start < MONTHS - FOLLOW_UP_MONTHS))
            is_on[place].append(block.is_on[who, start[who] + FOLLOW_UP_MONTHS, place])
    found = {}
    for treatment, effect, flags in zip(TREATMENTS, TREATMENT_EFFECTS, is_on, strict=True):
        found[treatment, "still_taking"] = float(effect)
        found[treatment, "started"] = float(effect * np.concatenate(flags).mean())
    return found


@cache
def true_slopes(*, is_corrected: bool = True, blocks: int = REFERENCE_BLOCKS) -> dict[tuple[str, str], float]:
    """(predictor, outcome) -> slope on ordinal severities, of complete series of 36 months without any treatment.

    With the half-panel jackknife it stands for the slope in endless series.
    """
    spans = ((0, MONTHS), (0, MONTHS // 2), (MONTHS // 2, MONTHS))
    sums = np.zeros((len(spans), 2, 3, 3))
    for block in reference(blocks):
        severities = (severity_of(block.fatigue), block.activity, severity_of(block.weakness))
        series = np.stack(severities, axis=2).astype(float)
        for place, (first, last) in enumerate(spans):
            before, now = _freed(series[:, first:last])
            sums[place] += before.T @ before, before.T @ now
    slopes = [np.linalg.solve(square, outcome) for square, outcome in sums]
    found = 2 * slopes[0] - (slopes[1] + slopes[2]) / 2 if is_corrected else slopes[0]
    return {(before, after): float(found[p, o]) for p, before in enumerate(STATES) for o, after in enumerate(STATES)}


def _freed(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What comes before and what now, (patients x months, 3) each, of series freed of their level and their line."""
    steps = series.shape[1] - 1
    line = np.column_stack([np.ones(steps), np.arange(steps)])
    free = np.eye(steps) - line @ np.linalg.pinv(line)
    return (free @ series[:, :-1]).reshape(-1, 3), (free @ series[:, 1:]).reshape(-1, 3)
