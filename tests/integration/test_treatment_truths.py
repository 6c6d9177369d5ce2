"""The planted truths of treatment in a cohort of 2,000, through ingest and marts: how long people stay, and how they rate.

Tolerance: |estimate - truth| <= 3 SE at a fixed seed. What is planted against it is tested as well: stale "current", and raters
who praise more than takers would.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, time

import pytest

from flows import pipeline
from flows.cohort import write_cohort
from flows.cohort.model import COHORT_ENDS_ON, TREATMENTS, persistence
from flows.cohort.switches import SWITCHES
from flows.settings import create_workspace
from flows.stages.build import build
from flows.warehouse import warehouse, writing

NOW = datetime(2025, 11, 1, 9, 30, tzinfo=UTC)
AS_OF_AT = datetime.combine(COHORT_ENDS_ON.item(), time.max, UTC)
NEEDED = ("patient", "consent", "treatment_episode", "treatment_evaluation")
AMONG_RATERS = {
    "physical_therapy": 0.489,
    "strength_exercise": 0.405,
    "dalfampridine": 0.390,
    "baclofen": 0.416,
    "yoga": 0.286,
    "cane": 0.670,
}
AMONG_TAKERS = {
    "physical_therapy": 0.436,
    "strength_exercise": 0.373,
    "dalfampridine": 0.361,
    "baclofen": 0.385,
    "yoga": 0.256,
    "cane": 0.644,
}
GROUPS = ("followed", "not_followed", "none_known", "switched")
TRUE_180 = dict(zip(TREATMENTS, persistence(180), strict=True))


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    workspace = create_workspace(tmp_path_factory.mktemp("truths") / "ws")
    landing = workspace.folder("landing", "canonical")
    write_cohort(landing, 2000)
    for path in landing.iterdir():
        if path.stem not in NEEDED:
            path.unlink()
    assert pipeline.ingest(workspace, now=NOW).exit_code == 0
    with writing(workspace, "test"), warehouse(workspace) as opened:
        build(opened, 1, AS_OF_AT)
        yield opened


def curve(con, censored_at: str) -> dict[str, tuple[float, float]]:
    """Share still on each modelled treatment after 180 days, and its SE from the limits on log(-log)."""
    rows = con.execute(
        "SELECT treatment_code, remaining_ratio, low_ratio, high_ratio FROM marts.treatment_persistence WHERE day = 180 AND censored_at = $at",
        {"at": censored_at},
    ).fetchall()

    def error(share: float, low: float, high: float) -> float:
        spread = (math.log(-math.log(low)) - math.log(-math.log(high))) / (2 * 1.959964)
        return spread * share * abs(math.log(share))

    return {code: (share, error(share, low, high)) for code, share, low, high in rows if code in TREATMENTS}


def test_the_share_still_on_treatment_after_180_days_is_found(con):
    found = curve(con, "last_confirmed")
    assert set(found) == set(TREATMENTS)
    for name, (share, error) in found.items():
        assert 0.005 < error < 0.03
        assert abs(share - TRUE_180[name]) <= 3 * error, (name, share, TRUE_180[name], error)


def test_the_bound_lies_above_and_holds_the_truth_too(con):
    """Here those who are called current are so: the platform forgot to ask, they did not forget to say. So the bound is right."""
    found, bound = curve(con, "last_confirmed"), curve(con, "as_of")
    for name, (share, error) in bound.items():
        assert share >= found[name][0]
        assert abs(share - TRUE_180[name]) <= 3 * error


def test_a_stale_current_pulls_the_curve_down_by_little_and_is_counted(con):
    """15 % of those long in use were last confirmed long ago: follow-up of the ones who stay ends early, that of stops does not."""
    found, bound = curve(con, "last_confirmed"), curve(con, "as_of")
    gaps = {name: bound[name][0] - found[name][0] for name in found}
    assert all(0 <= gap < 0.015 for gap in gaps.values()) and sum(gaps.values()) > 0.01
    current, not_confirmed = con.execute(
        "SELECT sum(patient_count) FILTER (use_group = 'current'), sum(patient_count) FILTER (use_group = 'not_confirmed') "
        "FROM marts.treatment_in_use"
    ).fetchone()
    assert 0.10 < not_confirmed / current < 0.22


def test_causes_of_stops_are_found(con):
    """Of the two planted causes, with 6 % not given: hazards of side effects up to day 90, of not working throughout."""
    rows = con.execute(
        "SELECT stop_cause, incidence_ratio, low_ratio, high_ratio FROM marts.treatment_stop_risk WHERE treatment_code = 'dalfampridine' AND day = 90"
    ).fetchall()
    stopped = 1 - math.exp(-90 * 0.0030)
    for cause, share in (("side_effects", 2 / 3), ("not_working", 1 / 3)):
        incidence, low, high = next(row[1:] for row in rows if row[0] == cause)
        truth = stopped * share * 0.94
        assert abs(incidence - truth) <= 3 * (high - low) / (2 * 1.96), (cause, incidence, truth)


def test_a_second_span_of_baclofen_is_no_second_course(con):
    spans, courses = con.execute(
        "SELECT sum(span_count), count(*) FROM marts.treatment_course WHERE treatment_code = 'baclofen'"
    ).fetchone()
    assert spans > 1.2 * courses
    (takers,) = con.execute(
        "SELECT patient_count FROM marts.treatment_taken WHERE treatment_code = 'baclofen'"
    ).fetchone()
    assert courses == takers


def test_shares_among_raters_are_found_and_are_not_those_among_takers(con):
    rows = con.execute(
        "SELECT treatment_code, patient_count, denominator_count FROM marts.treatment_effectiveness "
        "WHERE rating_group = 'major_or_moderate' AND denominator_count > 100 AND purpose_code = 'muscle_weakness'"
    ).fetchall()
    found = {code: (x, n) for code, x, n in rows}
    assert set(found) == set(AMONG_RATERS)
    above = 0
    for name, (x, n) in found.items():
        truth = AMONG_RATERS[name]
        assert abs(x / n - truth) <= 3 * math.sqrt(truth * (1 - truth) / n), (name, x / n, truth)
        above += x / n > AMONG_TAKERS[name]
    assert above >= 5  # the planted rating bias: 2 to 5 points


def test_those_who_stopped_rate_less(con):
    """Beside each rating stands how many of the takers rated: .70 of those in use, .45 of those who stopped."""
    rows = con.execute(
        """
        SELECT status.status, count(*) AS takers, count(*) FILTER (rated.patient_id IS NOT NULL) AS rated
        FROM marts.treatment_status AS status
        LEFT JOIN (SELECT DISTINCT patient_id, treatment_code FROM marts.treatment_rating WHERE effectiveness IS NOT NULL) AS rated
            ON rated.patient_id = status.patient_id AND rated.treatment_code = status.treatment_code
        WHERE status.treatment_code IN (SELECT unnest($modelled::VARCHAR[]))
        GROUP BY ALL
        """,
        {"modelled": list(TREATMENTS)},
    ).fetchall()
    for status, takers, rated in rows:
        truth = {"current": 0.70, "stopped": 0.45}[status]
        # Some episodes and ratings are refused, as planted: 1 % at most.
        assert abs(rated / takers - truth) <= 3 * math.sqrt(truth * (1 - truth) / takers) + 0.01


@pytest.mark.parametrize(("stopped", "following"), [(row[0], row[3]) for row in SWITCHES])
def test_switches_are_found(con, stopped, following):
    """Of those who stopped and are followed; what they began by chance, of the same strategy, comes before it for few."""
    found = dict(
        con.execute(
            "SELECT next_treatment, patient_count FROM marts.treatment_switch WHERE source_family = 'native' AND treatment_code = $code",
            {"code": stopped},
        ).fetchall()
    )
    n = found["followed"]
    assert n > 50
    assert found["none_known"] + found["switched"] == n
    assert sum(count for code, count in found.items() if code not in GROUPS) == found["switched"]
    planted = 0.0
    for code, truth in following:
        assert abs(found[code] / n - truth) <= 3 * math.sqrt(truth * (1 - truth) / n), (code, found[code] / n, truth)
        planted += truth
    by_chance = found["switched"] / n - planted
    assert abs(by_chance) <= 3 * math.sqrt(planted * (1 - planted) / n) + 0.05


def test_what_nobody_was_made_to_begin_next_is_no_more_than_begins_later(con):
    """From dalfampridine nobody was made to switch: other medication begins around a stop as often as in as many days after that."""
    followed, switched = con.execute(
        "SELECT sum(patient_count) FILTER (next_treatment = 'followed'), sum(patient_count) FILTER (next_treatment = 'switched') "
        "FROM marts.treatment_switch WHERE treatment_code = 'dalfampridine'"
    ).fetchone()
    later_followed, later_begun = con.execute("""
        SELECT count(DISTINCT status.patient_id), count(DISTINCT course.patient_id)
        FROM marts.treatment_status AS status
        JOIN marts.as_of AS as_of ON status.stop_day <= as_of.as_of_on - 211
        LEFT JOIN marts.treatment_course AS course
            ON course.patient_id = status.patient_id
            AND course.treatment_code <> status.treatment_code
            AND treatment_category(course.treatment_code) = 'medication'
            AND course.start_day BETWEEN status.stop_day + 91 AND status.stop_day + 211
        WHERE status.treatment_code = 'dalfampridine' AND status.status = 'stopped'
    """).fetchone()
    assert followed > 100 and later_followed > 100
    share = (switched + later_begun) / (followed + later_followed)
    error = math.sqrt(share * (1 - share) * (1 / followed + 1 / later_followed))
    assert abs(switched / followed - later_begun / later_followed) <= 3 * error
