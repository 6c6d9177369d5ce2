"""Lagged slopes and pooled correlations against statsmodels with one dummy and one trend a patient: slow and obvious."""

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from scipy.stats import spearmanr

from flows.stages.lags import fit_correlations, fit_lags, slopes_of

STATES = ("fatigue", "activity", "weakness")


def panel(seed, patients=40, months=20):
    """Series (patients, months, 5): fatigue, activity, weakness and treatments before and now, with levels and trends."""
    random = np.random.default_rng(seed)
    coupling = np.array([[0.4, 0, 0.15], [-0.2, 0.35, 0], [0, -0.2, 0.5]])
    state = np.zeros((patients, 3))
    series = np.empty((patients, months, 3))
    for month in range(-20, months):
        state = state @ coupling.T + random.normal(size=(patients, 3))
        if month >= 0:
            series[:, month] = state
    series += (
        random.normal(0, 3, (patients, 1, 3)) + random.normal(0, 0.1, (patients, 1, 3)) * np.arange(months)[:, None]
    )
    use = np.cumsum(random.random((patients, months)) < 0.1, axis=1)
    series[:, :, 2] -= use
    return series, use


def freed(states, treatments, lag):
    """What comes before, and what now, of one patient, freed of level and line."""
    before = np.column_stack([states[:-lag], treatments[:-lag], treatments[lag:]])
    line = np.column_stack([np.ones(len(before)), np.arange(len(before))])
    return [a - line @ np.linalg.lstsq(line, a, rcond=None)[0] for a in (before, states[lag:])]


def products(series, use, lag=1):
    """(patients, 90) as the statement yields them, by plain loops and numpy's least squares."""
    rows = []
    months = series.shape[1]
    for states, treatments in zip(series, use, strict=True):
        row = []
        for first, last in ((0, months), (0, months // 2), (months // 2, months)):
            before, now = freed(states[first:last], treatments[first:last], lag)
            square = before.T @ before
            row += [square[i, j] for i in range(5) for j in range(i, 5)] + (before.T @ now).ravel().tolist()
        rows.append(row)
    return np.array(rows)


def dummies(series, use, lag=1):
    """Slopes by one regression with a constant and a trend for each patient, (predictor, outcome)."""
    patients, months, _ = series.shape
    before = np.concatenate([np.column_stack([s[:-lag], u[:-lag], u[lag:]]) for s, u in zip(series, use, strict=True)])
    now = np.concatenate([s[lag:] for s in series])
    person = np.repeat(np.eye(patients), months - lag, axis=0)
    trend = person * np.tile(np.arange(months - lag), patients)[:, None]
    design = np.column_stack([before, person, trend])
    return np.column_stack([sm.OLS(now[:, k], design).fit().params[:3] for k in range(3)])


def rows_of(made, series="long", lag=1, pairs=19):
    return pa.table(
        {
            "series": [series] * len(made),
            "lag_months": pa.array([lag] * len(made), pa.int32()),
            "pair_count": pa.array([pairs] * len(made), pa.int32()),
            "products": made.tolist(),
        }
    )


def slopes(rows):
    found = {(r["predictor"], r["outcome"]): r["slope"] for r in fit_lags(rows).to_pylist()}
    return np.array([[found[before, after] for after in STATES] for before in STATES])


@pytest.mark.parametrize("lag", [1, 2])
def test_short_series_are_regressed_as_with_a_dummy_and_a_trend_for_each_patient(lag):
    series, use = panel(1)
    made = products(series, use, lag)[:, :30]
    assert slopes(rows_of(made, "short", lag)) == pytest.approx(dummies(series, use, lag), abs=1e-9)


def test_long_series_are_corrected_by_the_half_panel_jackknife():
    series, use = panel(2, months=21)
    halves = [dummies(series[:, a:b], use[:, a:b]) for a, b in ((0, 10), (10, 21))]
    expected = 2 * dummies(series, use) - (halves[0] + halves[1]) / 2
    assert slopes(rows_of(products(series, use))) == pytest.approx(expected, abs=1e-9)


def test_errors_are_those_of_drawing_patients():
    series, use = panel(3, patients=120)
    made = products(series, use)
    _, errors, _ = slopes_of(made[:, :30])
    random = np.random.default_rng(5)
    parts = [freed(states, treatments, 1) for states, treatments in zip(series, use, strict=True)]
    draws = []
    for _ in range(200):
        drawn = [parts[k] for k in random.integers(120, size=120)]
        before, now = (np.concatenate([part[place] for part in drawn]) for place in (0, 1))
        draws.append(np.linalg.lstsq(before, now, rcond=None)[0][:3])
    assert errors == pytest.approx(np.std(draws, axis=0, ddof=1), rel=0.25)


def test_a_scaled_slope_is_the_slope_of_standardised_series():
    series, use = panel(4)
    scaled = series * np.array([1.0, 30.0, 0.2])
    found = fit_lags(rows_of(products(scaled, use))).to_pylist()
    plain = {(r["predictor"], r["outcome"]): r for r in fit_lags(rows_of(products(series, use))).to_pylist()}
    for row in found:
        same = plain[row["predictor"], row["outcome"]]
        assert row["scaled_slope"] == pytest.approx(same["scaled_slope"])
        assert row["scaled_low"] < row["scaled_slope"] < row["scaled_high"]
    own = [row for row in found if row["predictor"] == row["outcome"]]
    assert all(row["scaled_slope"] == pytest.approx(row["slope"]) for row in own)


def test_nobody_on_any_treatment_is_no_fault():
    series, use = panel(5)
    still = np.zeros_like(use)
    found = slopes(rows_of(products(series, still)[:, :30], "short"))
    assert np.isfinite(found).all()


def test_fewer_than_thirty_patients_have_no_slopes_and_the_family_is_what_it_was():
    series, use = panel(6, patients=29)
    found = fit_lags(rows_of(products(series, use))).to_pylist()
    assert {row["slope"] for row in found} == {None}
    assert {row["q_value"] for row in found if row["predictor"] != row["outcome"]} == {1.0}
    assert [row["patient_count"] for row in found] == [29] * 9


def test_the_family_is_all_cross_slopes_of_long_series_at_all_lags():
    series, use = panel(7)
    long = [rows_of(products(series, use, lag), lag=lag) for lag in (1, 2)]
    found = fit_lags(pa.concat_tables([*long, rows_of(products(series, use)[:, :30], "short")])).to_pylist()
    tested = [row for row in found if row["q_value"] is not None]
    assert len(tested) == 12
    assert {row["series"] for row in tested} == {"long"}
    assert all(row["predictor"] != row["outcome"] for row in tested)
    least = min(tested, key=lambda row: row["p_value"])
    assert (
        least["q_value"] == pytest.approx(least["p_value"] * 12, rel=1e-6) or least["q_value"] < 12 * least["p_value"]
    )


def test_uncoupled_series_that_both_worsen_do_not_seem_to_drive_each_other():
    random = np.random.default_rng(8)
    series = random.normal(size=(300, 36, 3)) + random.normal(0.25, 0.1, (300, 1, 3)) * np.arange(36)[:, None]
    found = fit_lags(rows_of(products(series, np.zeros((300, 36))))).to_pylist()
    cross = [row for row in found if row["predictor"] != row["outcome"]]
    assert all(abs(row["slope"]) < 0.03 for row in cross)
    assert all(row["low"] < 0.01 and row["high"] > -0.01 for row in cross)


def correlations(month_count, **columns):
    names = (
        "fatigue_mean",
        "activity_mean",
        "weakness_mean",
        "fatigue_activity",
        "activity_weakness",
        "weakness_fatigue",
    )
    n = len(month_count)
    values = {name: pa.array(columns.get(name, np.linspace(0, 1, n)), pa.float64(), from_pandas=True) for name in names}
    return pa.table({"month_count": pa.array(month_count, pa.int32()), **values})


def test_correlations_are_pooled_by_fisher_s_z_with_months_less_three():
    random = np.random.default_rng(1)
    months = random.integers(4, 30, 50)
    r = random.uniform(-1, 1, 50)
    r[:2], r[2] = np.nan, 1.0
    row = next(
        row
        for row in fit_correlations(correlations(months, weakness_fatigue=r)).to_pylist()
        if row["pair"] == "weakness_fatigue"
    )
    kept = ~np.isnan(r)
    z = np.arctanh(np.clip(r[kept], -0.999, 0.999))
    expected = np.tanh(np.average(z, weights=months[kept] - 3))
    assert row["within"] == pytest.approx(expected)
    assert (row["patient_count"], row["constant_count"]) == (48, 2)
    draws = []
    for _ in range(4000):
        who = random.integers(48, size=48)
        draws.append(np.average(z[who], weights=(months[kept] - 3)[who]))
    width = (np.arctanh(row["within_high"]) - np.arctanh(row["within_low"])) / 2 / 1.959964
    assert width == pytest.approx(np.std(draws), rel=0.1)


def test_the_correlation_between_persons_is_spearman_s_of_their_means():
    random = np.random.default_rng(2)
    fatigue = np.round(random.normal(size=80), 1)
    weakness = np.round(fatigue + random.normal(size=80), 1)
    rows = correlations(
        [10] * 80, fatigue_mean=fatigue, weakness_mean=weakness, weakness_fatigue=random.uniform(-1, 1, 80)
    )
    row = next(row for row in fit_correlations(rows).to_pylist() if row["pair"] == "weakness_fatigue")
    assert row["between"] == pytest.approx(spearmanr(fatigue, weakness).statistic)
    assert row["between_low"] < row["between"] < row["between_high"]


def test_few_patients_and_means_that_are_all_the_same_have_no_correlation():
    assert {row["within"] for row in fit_correlations(correlations([9] * 29)).to_pylist()} == {None}
    rows = correlations([9] * 40, fatigue_mean=np.ones(40))
    found = {row["pair"]: row["between"] for row in fit_correlations(rows).to_pylist()}
    assert found["fatigue_activity"] is None
    assert found["activity_weakness"] == pytest.approx(0.999)
