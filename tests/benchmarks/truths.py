"""Do the estimates find what the synthetic cohort was planted with, and do their intervals hold it as often as they say?

    PYTHONPATH=.:tests OPENBLAS_NUM_THREADS=1 .venv/bin/python tests/benchmarks/truths.py --patients 2000 --seeds 20

Prints, of cohorts of so many seeds, the mean estimate beside the truth, the share of 95 % intervals that hold the truth,
how far estimates scatter and how far their intervals say they do; the naive before-after change beside it; and the same for
the `unmeasured` cohort, in which a bias must remain that no matching can see. Takes a minute or so a seed; not timed.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from cohort_truths import true_effects, true_slopes
from cohort_warehouse import build_some, warehouse_of

from flows.cohort.model import TREATMENTS

Z = 1.959964
NAIVE = """
    SELECT starter.treatment_code, avg(baseline.follow_up - baseline.baseline)
    FROM marts.trial_starter AS starter
    JOIN marts.trial_baseline AS baseline USING (patient_id, outcome_code, trial_month)
    WHERE starter.outcome_code = 'msws_12' AND starter.is_still_taking
    GROUP BY ALL
"""
Found = dict[tuple[str, str, str], list[tuple[float, float, float]]]


def comparisons(patients: int, seed: int, variant: str, found: Found) -> None:
    with warehouse_of(patients, seed, variant) as con:
        build_some(con, "comparison")
        columns = "treatment_code, outcome_code, difference, low, high, still_difference, still_low, still_high"
        for treatment, outcome, *values in con.execute(f"SELECT {columns} FROM marts.comparison").fetchall():
            if treatment in TREATMENTS and outcome in ("msws_12", "fatigue"):
                for estimand, estimate in (("started", values[:3]), ("still_taking", values[3:])):
                    found[outcome, treatment, estimand].append(
                        tuple(np.nan if value is None else value for value in estimate)
                    )
        for treatment, change in con.execute(NAIVE).fetchall():
            if treatment in TREATMENTS:
                found["msws_12", treatment, "before and after"].append((change, np.nan, np.nan))


def slopes(patients: int, seed: int, found: Found) -> None:
    with warehouse_of(patients, seed, report_probability=1.0) as con:
        build_some(con, "loop_lag")
        rows = con.execute(
            "SELECT predictor, outcome, slope, low, high FROM marts.loop_lag WHERE series = 'long' AND lag_months = 1"
        ).fetchall()
        for predictor, outcome, *estimate in rows:
            found["slope", f"{predictor} to {outcome}", ""].append(tuple(estimate))


def show(title: str, found: Found, truth) -> None:
    print(f"\n{title}")
    print(f"{'':48}{'truth':>9}{'mean':>9}{'held':>7}{'scatter':>9}{'error':>9}{'refused':>9}")
    for key in sorted(found):
        estimates = np.array(found[key])
        known = estimates[~np.isnan(estimates[:, 0])]
        if not len(known):
            print(f"{' '.join(key):48}{'refused each time':>27}")
            continue
        wanted = truth(key)
        held = np.mean((known[:, 1] <= wanted) & (wanted <= known[:, 2])) if not np.isnan(known[:, 1]).all() else np.nan
        error = np.mean(known[:, 2] - known[:, 1]) / 2 / Z
        scatter = known[:, 0].std(ddof=1) if len(known) > 1 else np.nan
        print(
            f"{' '.join(key):48}{wanted:9.4f}{known[:, 0].mean():9.4f}{held:7.0%}{scatter:9.4f}{error:9.4f}"
            f"{len(estimates) - len(known):9d}"
        )


def truth_of_effect(key: tuple[str, str, str]) -> float:
    outcome, treatment, estimand = key
    if outcome == "fatigue":
        return 0.0
    return true_effects()[treatment, "still_taking" if estimand == "before and after" else estimand]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--only", choices=["measured", "unmeasured", "slopes"])
    chosen = parser.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    for variant in ("measured", "unmeasured"):
        if chosen.only in (None, variant):
            found: Found = defaultdict(list)
            for seed in seeds:
                comparisons(chosen.patients, seed, variant, found)
            show(f"Starters less matched patients, cohort `{variant}`", found, truth_of_effect)
    if chosen.only in (None, "slopes"):
        lagged: Found = defaultdict(list)
        for seed in seeds:
            slopes(chosen.patients, seed, lagged)
        show(
            "Slopes within patients, complete series",
            lagged,
            lambda key: true_slopes(blocks=40)[tuple(key[1].split(" to "))],
        )


if __name__ == "__main__":
    main()
