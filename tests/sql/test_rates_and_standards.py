"""Limits of rates, shares and differences against SciPy and statsmodels, and lists in SQL against where they come from."""

from __future__ import annotations

import random
from datetime import timedelta

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from warehouse_records import AS_OF_AT

from schemas.codes import code_list

AS_OF_ON = AS_OF_AT.date()


def fall_reports(warehouse, falls_and_days, **patient):
    """One patient a pair, all falls in one period that ends on the day of the report."""
    for number, (falls, days) in enumerate(falls_and_days):
        name = f"{patient}{number}"
        warehouse.patient(name, **patient)
        warehouse.add(
            "fall_report",
            name,
            period_started_on=AS_OF_ON - timedelta(days=days - 1),
            period_ended_on=AS_OF_ON,
            fall_count=falls,
            injurious_fall_count=0,
        )


def rates(warehouse):
    warehouse.build()
    return {(r["course"], r["fall_kind"]): r for r in warehouse.mart("fall_rate")}


def test_the_rate_of_falls_is_a_quasi_poisson_regression(warehouse):
    draws = random.Random(3)
    data = [(draws.choice([0, 0, 0, 1, 1, 2, 9]), draws.randrange(30, 365)) for _ in range(60)]
    fall_reports(warehouse, data)
    row = rates(warehouse)["all", "falls"]
    falls, years = np.array([f for f, _ in data]), np.array([d for _, d in data]) / 365.25
    fitted = sm.GLM(falls, np.ones(60), family=sm.families.Poisson(), offset=np.log(years)).fit(scale="X2", use_t=True)
    assert fitted.scale > 1.5  # else the data would not tell quasi-Poisson from Poisson
    low, high = np.exp(fitted.conf_int()[0])
    assert row["rate"] == pytest.approx(np.exp(fitted.params[0]))
    assert (row["low_rate"], row["high_rate"]) == pytest.approx((low, high))


def test_limits_are_never_narrower_than_poisson_where_all_fall_alike(warehouse):
    fall_reports(warehouse, [(2, 200)] * 20)
    row = rates(warehouse)["all", "falls"]
    spread = stats.t.ppf(0.975, 19) / 40**0.5
    assert (row["low_rate"], row["high_rate"]) == pytest.approx(
        (row["rate"] * np.exp(-spread), row["rate"] * np.exp(spread))
    )


def test_of_nobody_who_fell_the_limit_is_poisson_exact(warehouse):
    """3.689 over the patient-years: the chi-squared limit at 0 events."""
    fall_reports(warehouse, [(0, 100)] * 12)
    row = rates(warehouse)["all", "falls"]
    years = 12 * 100 / 365.25
    assert (row["rate"], row["low_rate"]) == (0, 0)
    assert row["high_rate"] == pytest.approx(stats.chi2.ppf(0.975, 2) / 2 / years)
    assert row["high_rate"] * years == pytest.approx(3.689, abs=0.0005)


def test_one_patient_has_a_rate_and_no_limits(warehouse):
    fall_reports(warehouse, [(3, 365)])
    row = rates(warehouse)["all", "falls"]
    assert row["rate"] == pytest.approx(3 / (365 / 365.25))
    assert (row["low_rate"], row["high_rate"]) == (None, None)


def test_quasi_poisson_limits_cover_a_rate_with_frailty(warehouse):
    """Falls as in the synthetic cohort, gamma(.8)-Poisson at 2 a year: near 95 of 100 intervals hold the truth."""
    g = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        falls = g.poisson(2.0 * g.gamma(0.8, 1 / 0.8, 300))
        n, events, squares = len(falls), float(falls.sum()), float((falls**2).sum())
        low, high = warehouse.con.execute(
            "SELECT rate_low($x, $n, $n, $q, $t), rate_high($x, $n, $n, $q, $t)",
            {"x": events, "n": float(n), "q": squares, "t": float(stats.t.ppf(0.975, n - 1))},
        ).fetchone()
        covered += low <= 2.0 <= high
    assert 0.92 <= covered / 400 <= 0.975


@pytest.mark.parametrize(
    ("x", "n", "y", "m"), [(56, 70, 48, 80), (9, 10, 3, 10), (0, 20, 0, 10), (10, 10, 0, 20), (5, 56, 0, 29)]
)
def test_the_difference_of_two_shares_is_newcombes(warehouse, x, n, y, m):
    found = warehouse.con.execute(
        "SELECT newcombe_low($x, $n, $y, $m), newcombe_high($x, $n, $y, $m)", {"x": x, "n": n, "y": y, "m": m}
    ).fetchone()
    assert found == pytest.approx(confint_proportions_2indep(x, n, y, m, method="newcomb", compare="diff"), abs=1e-9)


def test_newcombes_own_example(warehouse):
    """Newcombe 1998, table II: 56/70 less 48/80 is .2000 (.0524, .3339)."""
    found = warehouse.con.execute("SELECT newcombe_low(56, 70, 48, 80), newcombe_high(56, 70, 48, 80)").fetchone()
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_of_nobody_there_is_no_difference(warehouse):
    assert warehouse.con.execute("SELECT newcombe_low(0, 0, 1, 2), newcombe_high(1, 2, 0, 0)").fetchone() == (
        None,
        None,
    )


def weak(warehouse, name, severity, **patient):
    warehouse.patient(name, **patient)
    warehouse.add("symptom_report", name, symptom_code="muscle_weakness", severity=severity, reported_on=AS_OF_ON)


def standardised(warehouse):
    warehouse.build()
    return {(r["course"], r["severity_group"]): r for r in warehouse.mart("standardised_share")}


NRSPMS = {"ms_course": "spms", "is_relapse_free_24_months": True}


def test_standardising_takes_the_difference_of_ages_away(warehouse):
    """Young .2 and old .8 weak in both groups; nrSPMS 10 young and 30 old, RRMS 30 young and 10 old: both .5 in 80."""
    for course, young, old in ((NRSPMS, 10, 30), ({"ms_course": "rrms"}, 30, 10)):
        for birth_year, count, share in ((1990, young, 0.2), (1955, old, 0.8)):
            for number in range(count):
                severity = 2 if number < share * count else 0
                weak(
                    warehouse, f"{course}{birth_year}{number}", severity, sex="female", birth_year=birth_year, **course
                )
    found = standardised(warehouse)
    for course, young, old in (("nrspms", 10, 30), ("other_courses", 30, 10)):
        row = found[course, "moderate_or_severe"]
        assert row["share_ratio"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.8)
        effective = 1 / (0.25 / young + 0.25 / old)
        limits = proportion_confint(0.5 * effective, effective, method="wilson")
        assert (row["low_ratio"], row["high_ratio"]) == pytest.approx(limits)


def test_of_one_stratum_the_standardised_share_is_the_share_itself(warehouse):
    for number in range(20):
        weak(warehouse, f"n{number}", number % 4, sex="male", birth_year=1950, **NRSPMS)
        weak(warehouse, f"r{number}", number % 2, sex="male", birth_year=1950, ms_course="ppms")
    found = standardised(warehouse)
    row = found["nrspms", "moderate_or_severe"]
    assert row["share_ratio"] == pytest.approx(0.5)
    assert (row["low_ratio"], row["high_ratio"]) == pytest.approx(proportion_confint(10, 20, method="wilson"))


def test_where_one_group_has_nobody_of_an_age_there_is_no_standardised_share(warehouse):
    weak(warehouse, "a", 2, sex="female", birth_year=1950, **NRSPMS)
    weak(warehouse, "b", 2, sex="female", birth_year=1950, ms_course="rrms")
    weak(warehouse, "c", 2, sex="female", birth_year=1990, ms_course="rrms")
    found = standardised(warehouse)
    assert {r["share_ratio"] for r in found.values()} == {None}
    assert {r["low_ratio"] for r in found.values()} == {None}


def test_limits_of_mean_activity_are_t_limits_from_thirty_patients_on(warehouse):
    draws = random.Random(5)
    minutes = [draws.randrange(400) for _ in range(30)]
    week = AS_OF_ON - timedelta(days=6)
    for number, value in enumerate(minutes):
        warehouse.patient(f"p{number}")
        if number:
            warehouse.add("weekly_activity", f"p{number}", week_starting_on=week, active_minutes=value)
    warehouse.build()
    (row,) = warehouse.mart("active_minutes")
    assert (row["patient_count"], row["low_minutes"]) == (29, None)
    warehouse.add("weekly_activity", "p0", week_starting_on=week, active_minutes=minutes[0])
    warehouse.build()
    (row,) = warehouse.mart("active_minutes")
    limits = stats.t.interval(0.95, 29, np.mean(minutes), stats.sem(minutes))
    assert (row["low_minutes"], row["high_minutes"]) == pytest.approx(limits)


def test_disease_modifying_treatments_are_those_of_the_code_list(warehouse):
    warehouse.build()
    listed = {
        code.code: code.class_name.removeprefix("dmt_")
        for code in code_list("treatment").codes
        if (code.class_name or "").startswith("dmt_")
    }
    assert {r["treatment_code"]: r["dmt_class"] for r in warehouse.mart("disease_modifying_treatment")} == listed


def test_sums_of_courses_say_the_same_as_the_mart(warehouse):
    warehouse.build()
    groups = {}
    for row in warehouse.mart("course"):
        groups.setdefault(row["course"], set()).add(row["course_group"])
    parts = {}
    for course in groups:
        for whole in warehouse.con.execute("SELECT course_sums('all', $c)", {"c": course}).fetchone()[0]:
            parts.setdefault(whole["parent"], set()).add(course)
    key = {c: warehouse.con.execute("SELECT course_key('all', $c)", {"c": c}).fetchone()[0] for c in (*groups, "all")}
    assert parts == {key["all"]: set.union(*groups.values()), key["other_courses"]: groups["other_courses"]}
    assert len(set(key.values())) == len(key)
