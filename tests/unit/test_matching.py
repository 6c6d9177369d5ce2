"""Matching: the propensity against statsmodels, the pairs against a slow greedy, the rules on random candidates."""

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm

from flows.stages import trials
from flows.stages.matching import (
    CALIPER,
    deviations_before,
    match_pairs,
    propensity_logits,
    standardised_differences,
)


def candidates(seed, n=600, k=5, strata=6, prevalence=-2.0):
    random = np.random.default_rng(seed)
    stratum = np.sort(random.integers(strata, size=n))
    x = random.normal(size=(n, k))
    is_starter = random.random(n) < 1 / (1 + np.exp(-(prevalence + 0.6 * x[:, 0] - 0.4 * x[:, 1])))
    order = np.lexsort((~is_starter, stratum))
    return x[order], is_starter[order], stratum[order]


def test_the_propensity_without_penalty_is_that_of_statsmodels():
    x, is_starter, _ = candidates(1)
    fitted = sm.Logit(is_starter.astype(float), sm.add_constant(x)).fit(disp=0)
    assert propensity_logits(x, is_starter, penalty=0.0) == pytest.approx(fitted.fittedvalues, abs=1e-6)
    assert propensity_logits(x, is_starter) == pytest.approx(fitted.fittedvalues, abs=0.2)


def test_a_characteristic_that_no_starter_has_does_not_stop_the_propensity():
    x, is_starter, _ = candidates(2)
    x = np.column_stack([x, ~is_starter & (np.arange(len(x)) % 50 == 0)])
    assert propensity_logits(x, is_starter, penalty=0.0) is None
    assert np.isfinite(propensity_logits(x, is_starter)).all()


def slow_pairs(logits, x, is_starter, is_first, stratum):
    """The rule in plain loops."""
    caliper = CALIPER * np.std(logits, ddof=1)
    used, pairs, apart = set(), [], [0.0] * x.shape[1]
    starters = [i for i in range(len(x)) if is_starter[i]]
    for starter in [i for i in starters if is_first[i]] + [i for i in starters if not is_first[i]]:
        best = None
        for control in range(len(x)):
            if is_starter[control] or control in used or stratum[control] != stratum[starter]:
                continue
            if abs(logits[control] - logits[starter]) > caliper:
                continue
            then = [a + s - c for a, s, c in zip(apart, x[starter], x[control], strict=True)]
            size = sum(value * value for value in then)
            if best is None or size < best[0]:
                best = (size, control, then)
        if best is not None:
            used.add(best[1])
            pairs.append((starter, best[1]))
            apart = best[2]
    return pairs


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_the_slow_rule(seed):
    x, is_starter, stratum = candidates(seed, n=250, k=3)
    logits = propensity_logits(x, is_starter)
    is_first = np.random.default_rng(seed).random(len(x)) < 0.7
    pairs = match_pairs(logits, x, is_starter, is_first, stratum)
    assert [tuple(pair) for pair in pairs.tolist()] == slow_pairs(logits, x, is_starter, is_first, stratum)
    assert len(pairs) > 10


@pytest.mark.parametrize("seed", range(5))
def test_pairs_share_a_stratum_lie_in_the_caliper_and_use_nobody_twice(seed):
    x, is_starter, stratum = candidates(seed, n=2000)
    logits = propensity_logits(x, is_starter)
    pairs = match_pairs(logits, x, is_starter, np.ones(len(x), bool), stratum)
    starters, controls = pairs.T
    assert is_starter[starters].all()
    assert not is_starter[controls].any()
    assert len(set(pairs.ravel())) == 2 * len(pairs)
    assert (stratum[starters] == stratum[controls]).all()
    assert (np.abs(logits[starters] - logits[controls]) <= CALIPER * logits.std(ddof=1)).all()


def test_matching_makes_unlike_groups_alike():
    x, is_starter, stratum = candidates(7, n=4000)
    logits = propensity_logits(x, is_starter)
    deviations = deviations_before(x[is_starter], x[~is_starter])
    pairs = match_pairs(logits, x / deviations, is_starter, np.ones(len(x), bool), stratum)
    before = standardised_differences(x[is_starter], x[~is_starter], deviations)
    after = standardised_differences(x[pairs[:, 0]], x[pairs[:, 1]], deviations)
    assert np.abs(before).max() > 0.4
    assert np.abs(after).max() < 0.05


def test_the_difference_and_its_clustered_error_are_those_of_statsmodels():
    random = np.random.default_rng(4)
    patient = random.integers(80, size=300)
    treated = (random.random(300) < 0.5).astype(float)
    x = random.normal(size=(300, 2))
    y = 2.0 * treated + x[:, 0] + random.normal(size=80)[patient] + random.normal(size=300)
    design = np.column_stack([np.ones(300), treated, x])
    fitted = sm.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": patient})
    difference, error = trials.regress(design, y, patient)
    assert difference == pytest.approx(fitted.params[1])
    assert error == pytest.approx(fitted.bse[1])


# --- the whole estimate, from a table of candidates ---


def table(seed=1, starters=60, controls=600, shift=0.0, effect=-5.0, **changes):
    """Candidates of one treatment and outcome in four strata; starters are worse off before by `shift`."""
    random = np.random.default_rng(seed)
    n = starters + controls
    is_starter = np.arange(n) < starters
    stratum = random.integers(4, size=n)
    baseline = random.normal(50, 10, n) + shift * is_starter
    columns = {
        "treatment_code": np.full(n, "yoga"),
        "outcome_code": np.full(n, "msws_12"),
        "stratum": np.char.add("s", stratum.astype(str)),
        "patient_id": np.char.add("p", np.arange(n).astype(str)),
        "is_starter": is_starter,
        "is_still_taking": is_starter & (random.random(n) < 0.8),
        "has_crossed_over": np.zeros(n, bool),
        "follow_up": baseline + effect * is_starter + random.normal(0, 5, n),
        "baseline": baseline,
        "trend": random.normal(size=n),
        "weakness": np.full(n, np.nan),
        "fatigue": random.normal(size=n),
        "activity": random.normal(100, 30, n),
        "disability": random.integers(0, 9, n).astype(float),
        "age": random.normal(50, 10, n),
        "female": (random.random(n) < 0.75).astype(float),
        "nrspms": (random.random(n) < 0.2).astype(float),
        "other_progressive": np.zeros(n),
        "years_diagnosed": random.normal(10, 4, n),
        "treatments": random.poisson(2, n).astype(float),
    } | changes
    order = np.lexsort((np.arange(n), ~is_starter, columns["stratum"]))
    return pa.table({name: np.asarray(values)[order] for name, values in columns.items()})


def compared(rows):
    (row,) = trials.compare(rows).to_pylist()
    return row


def test_a_planted_difference_is_found_though_starters_were_worse_before():
    row = compared(table(starters=150, controls=3000, shift=5.0))
    assert row["low"] < -5.0 < row["high"]
    assert row["still_low"] < -5.0 < row["still_high"]
    assert row["imbalance"] < 0.1
    assert row["q_value"] < 0.001
    assert row["e_value"] > row["e_value_limit"] > 1.0


def test_fewer_than_thirty_pairs_give_no_difference():
    for row in (compared(table(starters=29)), compared(table(starters=29, controls=20))):
        assert row["difference"] is row["low"] is row["p_value"] is row["e_value"] is row["still_difference"] is None
        assert row["q_value"] == 1.0
    # Thirty starters of whom one finds nobody within the caliper are twenty-nine pairs.
    outlier = np.where(np.arange(1030) == 0, 1000.0, np.random.default_rng(1).normal(50, 10, 1030))
    row = compared(table(starters=30, controls=1000, baseline=outlier))
    assert len(row["pairs"]) < 30
    assert row["difference"] is None


def test_without_balance_there_is_no_difference_but_the_balance_is_kept():
    # In each stratum there is hardly anybody to choose from: what is left is unlike.
    row = compared(table(starters=100, controls=110, shift=6.0))
    assert len(row["pairs"]) >= 30
    assert row["imbalance"] >= 0.1
    assert row["difference"] is row["p_value"] is row["e_value"] is None
    worst = max(row["balance"], key=lambda entry: abs(entry["after"]))
    assert abs(worst["after"]) == pytest.approx(row["imbalance"])


def test_a_covariate_that_is_the_outcome_is_left_out_and_what_is_missing_is_balanced():
    activity = np.random.default_rng(2).normal(100, 30, 660)
    activity[::7] = np.nan
    row = compared(table(activity=activity))
    names = [entry["covariate"] for entry in row["balance"]]
    assert "weakness" not in names
    assert names.count("activity") == names.count("activity not known") == 1
    assert row["difference"] is not None


def test_the_family_is_all_treatments_of_one_outcome_refused_ones_too():
    first, second = table(starters=100, controls=2000), table(seed=2, starters=10)
    second = second.set_column(0, "treatment_code", pa.array(["zumba"] * second.num_rows))
    rows = trials.compare(pa.concat_tables([first, second])).to_pylist()
    assert [row["treatment_code"] for row in rows] == ["yoga", "zumba"]
    assert rows[0]["q_value"] == pytest.approx(min(1.0, 2 * rows[0]["p_value"]))
    assert rows[1]["q_value"] == 1.0


def test_outcomes_after_the_start_do_not_steer_who_is_matched():
    rows = table(starters=80, controls=800)
    other = rows.set_column(7, "follow_up", pa.array(np.random.default_rng(9).normal(size=rows.num_rows)))
    assert compared(rows)["pairs"] == compared(other)["pairs"]


def test_no_candidates_at_all_give_an_empty_mart():
    assert trials.compare(table().slice(0, 0)).num_rows == 0
