"""The latent cohort model: who the patients are, how they fare month by month, what they start and stop.

Blocks of 1,000 patients are pure functions of (seed, block), so that a cohort of any size is a prefix of every larger
one and blocks can be made anywhere. Shapes below: B = 1,000 patients, T = 36 calendar months, K = 6 treatments.
Every number without another source is a choice of the cohort model; the true values a pipeline should find are the
constants `TREATMENT_EFFECTS`, `TRUE_LAGS` and the function `persistence`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Variant = Literal["measured", "unmeasured"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

BLOCK_SIZE = 1000
MONTHS = 36
COHORT_ENDS_ON = np.datetime64("2025-09-30", "D")
MONTH_STARTS = (
    np.arange(COHORT_ENDS_ON.astype("M8[M]") - (MONTHS - 1), COHORT_ENDS_ON.astype("M8[M]") + 2)
    .astype("M8[D]")
    .astype(np.int64)
)  # days since 1970 of the 36 firsts of month, and of the month after: 37 values
END_DAY = int(COHORT_ENDS_ON.astype(np.int64))

# Treatments start on days 1 to 10 of a month and the month's reports are given on days 14 to 28: the last report before
# a start is always that of the month before, which is the one the start depends on.
START_DAYS, FIRST_REPORT_DAY, REPORT_DAYS = 10, 13, 15

COURSES = ("rrms", "nrspms", "aspms", "ppms", "cis", "unknown")
COURSE_SHARES = (0.56, 0.17, 0.07, 0.13, 0.02, 0.05)
FEMALE_SHARE, FEMALE_SHARE_PPMS = 0.75, 0.55
AGE_MEANS, AGE_SDS = np.array([45.0, 57, 55, 58, 38, 49]), np.array([10.0, 9, 9, 10, 9, 11])

# Person means by course. Order of the three states everywhere: weakness 0-100, fatigue 0-100, activity min/week.
MEANS = np.array([[35.0, 60, 58, 57, 20, 45], [50, 62, 60, 58, 35, 52], [150, 80, 85, 85, 200, 120]])
PERSON_SDS = np.array([16.0, 15.0, 45.0])
PERSON_CORRELATION = np.array([[1.0, 0.45, -0.50], [0.45, 1.0, -0.35], [-0.50, -0.35, 1.0]])
WEAKNESS_SLOPES = np.array([0.8, 3.0, 2.5, 3.0, 0.3, 1.5])  # points a year, person SD 1

# Monthly deviations in units of their innovations. Rows: fatigue, activity, weakness now; columns: the same last month.
COUPLING = np.array([[0.40, 0.0, 0.15], [-0.20, 0.35, 0.0], [0.0, -0.20, 0.50]])
SCALES = np.array([8.0, 30.0, 6.0])  # points, minutes, points per unit
TRUE_LAGS = COUPLING * SCALES[:, None] / SCALES[None, :]  # e.g. [1, 0]: minutes of activity per point of fatigue
BURN_IN = 60  # months until the deviations forget where they began

SEVERITY_CUTS = np.array([28.0, 48.0, 68.0])  # none | mild | moderate | severe, of weakness and of fatigue

TREATMENTS = ("physical_therapy", "strength_exercise", "dalfampridine", "baclofen", "yoga", "cane")
TREATMENT_EFFECTS = np.array([-3.0, -5.0, -4.0, -1.5, 0.0, 0.0])  # points of weakness while on it
START_LOG_ODDS = np.array([-4.4, -4.4, -4.6, -4.4, -4.6, -4.8])  # per month at a score of 45
START_SLOPE = 0.03  # log odds per point: people start when they do badly
# `unmeasured`: a passing bad spell, which no single score tells from a lasting bad state, brings the start. Adjusting
# for the score then leaves a bias near -0.9 points in every arm, yoga included.
SPELL_SLOPE = 0.05  # log odds per point
FIRST_START_MONTH, LAST_START_MONTH = 6, 29
SIDE_EFFECT_HAZARDS = np.array([0.0002, 0.0004, 0.0020, 0.0015, 0.0001, 0.0001])  # per day, in the first 90 days
LATE_HAZARD_FACTOR = 0.4  # of the side effect hazard after day 90
NOT_WORKING_HAZARDS = np.array([0.0008, 0.0010, 0.0010, 0.0008, 0.0012, 0.0002])  # per day
SIDE_EFFECTS, NOT_WORKING = 1, 2  # values of `stop_reason`

RATED_IF_CURRENT, RATED_IF_STOPPED, CANT_TELL_SHARE = 0.70, 0.45, 0.10
EFFECTIVE_SHARES = np.array([0.62, 0.55, 0.48, 0.50, 0.40, 0.70])  # of all takers, if none stopped as "not working"
EFFECTIVE_IF_NOT_WORKING = 0.10

PROGRESSIVE = np.array([False, True, True, True, False, False])
FALLS_A_YEAR, FALLS_A_YEAR_PROGRESSIVE, FALL_FRAILTY_SHAPE, CANE_FALL_RATIO = 0.6, 2.0, 0.8, 0.7

_STREAM_BITS = 40  # block numbers below 2**40 leave room for the number of a stream in the same key


@dataclass(frozen=True)
class Block:
    """Patients and their latent course. Day numbers count from 1970-01-01; months from 0 to 35."""

    patient: Ints  # (B,) number in the whole cohort, from 0
    course: Ints  # (B,) position in COURSES
    is_female: Flags  # (B,)
    age: Floats  # (B,) years at COHORT_ENDS_ON, 18 to 89
    mean_weakness: Floats  # (B,) points, at month 0
    slope: Floats  # (B,) points of weakness a year
    weakness: Floats  # (B, T) points, as it would be without treatment
    fatigue: Floats  # (B, T) points
    activity: Floats  # (B, T) minutes a week, not below 0
    score: Floats  # (B, T) observed weakness: `weakness` plus the effects of what is being taken
    is_on: Flags  # (B, T, K) under the effect of the treatment at the month's report
    start_month: Ints  # (B, K) -1: never started
    started_on: Ints  # (B, K) day number; 0 if never started
    duration_days: Floats  # (B, K) from start to stop, also beyond the end of the cohort
    stop_reason: Ints  # (B, K) SIDE_EFFECTS or NOT_WORKING: which of the two comes first
    stopped_on: Ints  # (B, K) day number, first day without; 0 if never started
    is_stopped: Flags  # (B, K) stopped by COHORT_ENDS_ON
    is_rated: Flags  # (B, K)
    is_cant_tell: Flags  # (B, K)
    is_effective: Flags  # (B, K) would be rated major or moderate
    falls: Ints  # (B, T) in the calendar month
    near_falls: Ints  # (B, T)
    reported_on: Ints  # (B, T) day number of the month's report
    is_seen: Flags  # (B, T) the month's report was given

    def first(self, patients: int) -> Block:
        return Block(**{f.name: getattr(self, f.name)[:patients] for f in fields(self)})


def open_stream(seed: int, block: int, number: int = 0) -> np.random.Generator:
    """Random numbers of one block. Number 0 is the model's; what is added around it draws from others, so that a new
    column never changes who the patients are.
    """
    return np.random.Generator(np.random.Philox(key=[seed, number << _STREAM_BITS | block]))


def severity_of(points: Floats) -> Ints:
    """0 none, 1 mild, 2 moderate, 3 severe.

    >>> severity_of(np.array([27.9, 28.0, 50.0, 99.0])).tolist()
    [0, 1, 2, 3]
    """
    return np.digitize(points, SEVERITY_CUTS)


def persistence(days: float) -> Floats:
    """True share still on each treatment after so many days, (K,)."""
    side_effect_days = min(days, 90.0) + LATE_HAZARD_FACTOR * max(days - 90.0, 0.0)
    return np.exp(-side_effect_days * SIDE_EFFECT_HAZARDS - days * NOT_WORKING_HAZARDS)


def _simulate_deviations(g: np.random.Generator) -> Floats:
    """Stationary coupled deviations of (fatigue, activity, weakness), (B, T, 3), in units."""
    innovations = g.standard_normal((BURN_IN + MONTHS, BLOCK_SIZE, 3))
    deviations = np.empty((BLOCK_SIZE, MONTHS, 3))
    state = np.zeros((BLOCK_SIZE, 3))
    for month in range(-BURN_IN, MONTHS):
        state = state @ COUPLING.T + innovations[month + BURN_IN]
        if month >= 0:
            deviations[:, month] = state
    return deviations


def _draw_durations(g: np.random.Generator) -> tuple[Floats, Ints]:
    """Days until stop and which reason came first, both (B, K): the smaller of two competing times."""
    shape = (BLOCK_SIZE, len(TREATMENTS))
    hazard = g.exponential(size=shape)  # cumulated side effect hazard at which that stop happens
    used = 90 * SIDE_EFFECT_HAZARDS
    late = 90 + (hazard - used) / (LATE_HAZARD_FACTOR * SIDE_EFFECT_HAZARDS)
    side_effects = np.where(hazard < used, hazard / SIDE_EFFECT_HAZARDS, late)
    not_working = g.exponential(size=shape) / NOT_WORKING_HAZARDS
    reason = np.where(side_effects < not_working, SIDE_EFFECTS, NOT_WORKING)
    return np.minimum(side_effects, not_working), reason


def simulate_block(seed: int, block: int, variant: Variant = "measured", report_probability: float = 0.80) -> Block:
    """The 1,000 patients of one block, always all of them: a smaller cohort takes the first ones."""
    g = open_stream(seed, block)
    size, kinds = BLOCK_SIZE, len(TREATMENTS)
    course = g.choice(len(COURSES), size, p=COURSE_SHARES)
    is_female = g.random(size) < np.where(course == COURSES.index("ppms"), FEMALE_SHARE_PPMS, FEMALE_SHARE)
    age = np.clip(g.normal(AGE_MEANS[course], AGE_SDS[course]), 18, 89)
    person = g.standard_normal((size, 3)) @ np.linalg.cholesky(PERSON_CORRELATION).T * PERSON_SDS + MEANS[:, course].T
    slope = g.normal(WEAKNESS_SLOPES[course], 1.0)
    deviation = _simulate_deviations(g) * SCALES
    years = np.arange(MONTHS) / 12
    weakness = person[:, :1] + slope[:, None] * years + deviation[:, :, 2]
    fatigue = person[:, 1:2] + deviation[:, :, 0]
    activity = np.maximum(0.0, person[:, 2:3] + deviation[:, :, 1])

    reported_on = MONTH_STARTS[:MONTHS] + FIRST_REPORT_DAY + g.integers(REPORT_DAYS, size=(size, MONTHS))
    start_offset = g.integers(START_DAYS, size=(size, kinds))
    start_draw = g.random((size, MONTHS, kinds))
    duration, reason = _draw_durations(g)
    last_day_on = np.ceil(duration)  # a stop during a day is written as that day: whole days lose no event
    start_month = np.full((size, kinds), -1)
    started_on = np.zeros((size, kinds), np.int64)
    is_on = np.zeros((size, MONTHS, kinds), bool)
    score = np.empty((size, MONTHS))
    for month in range(MONTHS):
        under_effect = (start_month >= 0) & (start_month < month)
        is_on[:, month] = under_effect & (reported_on[:, month, None] < started_on + last_day_on)
        score[:, month] = weakness[:, month] + is_on[:, month] @ TREATMENT_EFFECTS
        if FIRST_START_MONTH <= month <= LAST_START_MONTH:
            if variant == "measured":
                drive = START_SLOPE * (score[:, month - 1] - 45)
            else:
                lasting = weakness[:, month - 1] - deviation[:, month - 1, 2]
                drive = START_SLOPE * (lasting - 45) + SPELL_SLOPE * deviation[:, month - 1, 2]
            chance = 1 / (1 + np.exp(-(START_LOG_ODDS + drive[:, None])))
            starts = (start_month < 0) & (start_draw[:, month] < chance)
            start_month[starts] = month
            started_on[starts] = MONTH_STARTS[month] + start_offset[starts]
    is_started = start_month >= 0
    stopped_on = np.where(is_started, started_on + last_day_on, 0).astype(np.int64)
    is_stopped = is_started & (stopped_on <= END_DAY)

    is_rated = is_started & (g.random((size, kinds)) < np.where(is_stopped, RATED_IF_STOPPED, RATED_IF_CURRENT))
    is_cant_tell = g.random((size, kinds)) < CANT_TELL_SHARE
    gave_up = is_stopped & (reason == NOT_WORKING)
    is_effective = g.random((size, kinds)) < np.where(gave_up, EFFECTIVE_IF_NOT_WORKING, EFFECTIVE_SHARES)
    rate = np.where(PROGRESSIVE[course], FALLS_A_YEAR_PROGRESSIVE, FALLS_A_YEAR)
    rate = rate * g.gamma(FALL_FRAILTY_SHAPE, 1 / FALL_FRAILTY_SHAPE, size)
    monthly = rate[:, None] * np.diff(MONTH_STARTS) / 365.25
    with_cane = monthly * np.where(is_on[:, :, TREATMENTS.index("cane")], CANE_FALL_RATIO, 1.0)
    return Block(
        patient=block * size + np.arange(size),
        course=course,
        is_female=is_female,
        age=age,
        mean_weakness=person[:, 0],
        slope=slope,
        weakness=weakness,
        fatigue=fatigue,
        activity=activity,
        score=score,
        is_on=is_on,
        start_month=start_month,
        started_on=started_on,
        duration_days=duration,
        stop_reason=reason,
        stopped_on=stopped_on,
        is_stopped=is_stopped,
        is_rated=is_rated,
        is_cant_tell=is_cant_tell,
        is_effective=is_effective,
        falls=g.poisson(with_cane),
        near_falls=g.poisson(2.0 * monthly),
        reported_on=reported_on,
        is_seen=g.random((size, MONTHS)) < report_probability,
    )


def block_sizes(patients: int) -> Iterator[tuple[int, int]]:
    """(block, patients of it that belong to the cohort).

    >>> list(block_sizes(2500))
    [(0, 1000), (1, 1000), (2, 500)]
    """
    for block in range(-(-patients // BLOCK_SIZE)):
        yield block, min(BLOCK_SIZE, patients - block * BLOCK_SIZE)


def simulate(
    patients: int, seed: int = 20250101, variant: Variant = "measured", report_probability: float = 0.80
) -> Block:
    """The whole cohort in memory, 30 KB a patient: for tests and for true values, not for millions."""
    parts = [simulate_block(seed, b, variant, report_probability).first(n) for b, n in block_sizes(patients)]
    return Block(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Block)})
