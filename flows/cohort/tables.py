"""The records which patients of the latent model write down: who they are, consent, relapses, monthly reports.

A table's column order here is the order in its file. All draws come from streams of their own, so that a change in this
module never changes who the patients are or what a treatment does to them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flows.cohort import model
from flows.cohort.columns import (
    COUNTRIES,
    COUNTRY_SHARES,
    COUNTRY_STREAM,
    DAY_SECONDS,
    LANGUAGES,
    PRECISIONS,
    RECORD_STREAM,
    RELAPSE_STREAM,
    Rows,
    answers,
    blur_dates,
    constant,
    dates,
    draw,
    enrolment,
    instants,
    known_after,
    last_seen,
    number_of,
    numbered,
    pick,
    rows_of,
    scatter,
    split_sum,
    whole,
)
from flows.cohort.model import Block, Floats, Ints
from flows.cohort.treatments import make_treatment_episodes, make_treatment_evaluations

# code, pull into a patient's personal subset, load on weakness, load on fatigue, shift, usual region
# (spread between patients and months comes on top); weakness and fatigue are read off the latent states.
SYMPTOMS = (
    ("muscle_weakness", 0.0, 1.0, 0.0, 0.0, "legs"),
    ("fatigue", 0.0, 0.0, 1.0, 0.0, "whole_body"),
    ("walking_difficulty", 2.2, 0.9, 0.1, 0.0, "legs"),
    ("balance", 1.8, 0.7, 0.1, 4.0, "whole_body"),
    ("spasticity", 1.6, 0.7, 0.1, 2.0, "legs"),
    ("stiffness", 1.5, 0.6, 0.1, 6.0, "legs"),
    ("bladder", 1.4, 0.5, 0.1, 8.0, "not_applicable"),
    ("pain", 1.3, 0.3, 0.4, 2.0, "whole_body"),
    ("cramps", 0.9, 0.4, 0.1, 8.0, "legs"),
    ("incoordination", 0.9, 0.6, 0.1, 0.0, "arms_hands"),
    ("falls", 0.8, 0.7, 0.0, -10.0, "not_applicable"),
    ("bowel", 0.8, 0.4, 0.1, 4.0, "not_applicable"),
    ("frustration", 0.8, 0.3, 0.4, 4.0, "not_applicable"),
    ("deconditioning", 0.7, 0.5, 0.3, 0.0, "whole_body"),
    ("back_pain", 0.7, 0.3, 0.2, 8.0, "torso"),
    ("low_self_confidence", 0.6, 0.3, 0.4, 0.0, "not_applicable"),
    ("posture", 0.4, 0.4, 0.1, 4.0, "torso"),
)
SYMPTOM_CODES = tuple(row[0] for row in SYMPTOMS)
FEWEST_OTHER_SYMPTOMS, MOST_OTHER_SYMPTOMS = 3, 6
REGIONS = ("legs", "torso", "arms_hands", "face", "whole_body", "not_applicable")
WEAKNESS_REGION_SHARES = (0.62, 0.10, 0.22, 0.06)
SIDES = ("left", "right", "both", "not_applicable")
CAUSES = ("direct_nerve", "indirect_deconditioning", "both", "unknown")
ACTIVITY_CODES = ("walking", "lifting", "dressing", "open_jar", "phone_use", "independence")
ACTIVITY_SHIFTS = np.array([6.0, 4.0, -6.0, -2.0, -24.0, -8.0])  # points: which are hard first

RELAPSES_A_YEAR = np.array([0.35, 0.0, 0.35, 0.0, 0.20, 0.15])  # by course
MOST_RELAPSES = 5
FORM_SKIPPED_BY_ONE_IN = 8  # patients never fill in the form on daily activities
CONSENT_NEVER, CONSENT_WITHDRAWN = 0.02, 0.02  # of all patients


def make_symptom_reports(block: Block, g: np.random.Generator) -> Rows:
    """One row per seen month and symptom: weakness and fatigue always, and each patient's own three to six others."""
    size, kinds = len(block.patient), len(SYMPTOMS)
    loads = np.array([row[2:5] for row in SYMPTOMS])
    other = np.array([row[1] for row in SYMPTOMS[2:]]) + g.gumbel(size=(size, kinds - 2))
    rank = np.argsort(np.argsort(-other, axis=1), axis=1)
    count = g.integers(FEWEST_OTHER_SYMPTOMS, MOST_OTHER_SYMPTOMS + 1, size)
    has = np.ones((size, kinds), bool)
    has[:, 2:] = rank < count[:, None]
    person = g.normal(0, 10, (size, kinds))
    usual_region = draw(g, WEAKNESS_REGION_SHARES, size)
    usual_side = draw(g, (0.3, 0.3, 0.4), size)
    who, month, symptom = np.nonzero(block.is_seen[:, :, None] & has[:, None, :])
    n = len(who)
    weakness, fatigue, activity = block.score[who, month], block.fatigue[who, month], block.activity[who, month]
    is_weakness = symptom == 0
    noise = person[who, symptom] + g.normal(0, 5, n)
    points = loads[symptom, 0] * weakness + loads[symptom, 1] * fatigue + loads[symptom, 2] + noise
    points = np.where(is_weakness, weakness, np.where(symptom == 1, fatigue, points))
    region_of_symptom = np.array([REGIONS.index(row[5]) for row in SYMPTOMS])
    moved = draw(g, WEAKNESS_REGION_SHARES, n)
    region = np.where(g.random(n) < 0.85, usual_region[who], moved)
    region = np.where(is_weakness, region, region_of_symptom[symptom])
    is_sided = np.isin(region, (0, 2, 3))
    # Little activity makes people blame deconditioning: the perceived share of the inactivity loop.
    indirect = 1 / (1 + np.exp(0.6 + (activity - 100) / 60))
    u = g.random(n)
    cause = np.select([u < indirect, u < indirect + 0.15, u < indirect + 0.20], [1, 2, 3], 0)
    is_bodily = region != REGIONS.index("not_applicable")
    reported_on = block.reported_on[who, month]
    heat, exertion = g.random(n), g.random(n)
    suffix = pick(numbered(model.MONTHS * kinds), month * kinds + symptom)
    columns = {
        "reported_on": dates(reported_on),
        "symptom_code": pick(SYMPTOM_CODES, symptom),
        "severity": whole(model.severity_of(points)),
        "body_region": pick(REGIONS, region),
        "side": pick(SIDES, np.where(is_sided, usual_side[who], 3)),
        "perceived_cause": pick(CAUSES, cause, ~is_weakness),
        "is_worse_with_heat": pa.array(heat < np.where(symptom < 2, 0.55, 0.30), mask=~is_bodily | (heat > 0.95)),
        "is_worse_after_exertion": pa.array(exertion < 0.45, mask=~is_bodily | (exertion > 0.95)),
        "recall_days": pa.repeat(pa.scalar(7, pa.int32()), n),
    }
    return rows_of("symptom_report", "SR", block, who, suffix, known_after(g, reported_on), columns)


def make_activity_limitations(block: Block, g: np.random.Generator) -> Rows:
    kinds = len(ACTIVITY_CODES)
    quarterly = block.is_seen & (np.arange(model.MONTHS) % 3 == 2)
    who, month, activity = np.nonzero(np.repeat(quarterly[:, :, None], kinds, axis=2))
    n = len(who)
    points = block.score[who, month] + ACTIVITY_SHIFTS[activity] + g.normal(0, 8, n)
    difficulty = np.digitize(points, (25, 42, 58, 78))
    helped = np.where(difficulty < 2, 0, draw(g, (0.45, 0.25, 0.15, 0.15), n))
    reported_on = block.reported_on[who, month]
    columns = {
        "reported_on": dates(reported_on),
        "activity_code": pick(ACTIVITY_CODES, activity),
        "difficulty": whole(difficulty),
        "help": pick(("none", "device", "person", "both"), helped, g.random(n) < 0.04),
    }
    suffix = pick(numbered(model.MONTHS * kinds), month * kinds + activity)
    rows = rows_of("activity_limitation", "AL", block, who, suffix, known_after(g, reported_on), columns)
    # Left out after the draws: who skips the form changes no other record.
    return rows.take(rows.patient % FORM_SKIPPED_BY_ONE_IN != 0)


def make_weekly_activities(block: Block, g: np.random.Generator) -> Rows:
    """The last full week before each month's report; weeks start on a Monday."""
    who, month = np.nonzero(block.is_seen)
    n = len(who)
    reported_on = block.reported_on[who, month]
    monday = reported_on - (reported_on + 3) % 7 - 7  # 1970-01-01 was a Thursday
    minutes = np.minimum(np.round(block.activity[who, month]), 10_080)
    weakness, fatigue = block.score[who, month], block.fatigue[who, month]
    reasons = ("", "fatigue", "weakness", "fatigue|weakness", "pain", "fear_of_falling", "access", "other")
    likely = np.select([minutes >= 150, fatigue > weakness + 10, weakness > fatigue + 10], [0, 1, 2], 3)
    reason = np.where(g.random(n) < 0.75, likely, g.integers(0, len(reasons), n))
    sedentary = np.round(np.clip(10.5 - minutes / 60 + g.normal(0, 1.5, n), 2, 20) * 2) / 2
    columns = {
        "week_starting_on": dates(monday),
        "active_minutes": whole(minutes),
        "session_count": whole(np.where(minutes > 0, 1 + g.poisson(minutes / 40), 0)),
        "sedentary_hours_per_day": pa.array(sedentary),
        "rest_break_count_per_day": whole(g.poisson(np.clip(fatigue, 5, 100) / 18), g.random(n) < 0.05),
        "pacing": pick(("never", "sometimes", "usually", "always"), draw(g, (0.2, 0.4, 0.28, 0.12), n)),
        "inactivity_reasons": pick(reasons, reason, reason == 0),
    }
    suffix = pick(numbered(model.MONTHS), month)
    return rows_of("weekly_activity", "WA", block, who, suffix, known_after(g, reported_on), columns)


def make_fall_reports(block: Block, g: np.random.Generator) -> Rows:
    who, month = np.nonzero(block.is_seen)
    falls = block.falls[who, month]
    last_day = model.MONTH_STARTS[month + 1] - 1
    columns = {
        "period_started_on": dates(model.MONTH_STARTS[month]),
        "period_ended_on": dates(last_day),
        "fall_count": whole(falls),
        "injurious_fall_count": whole(g.binomial(falls, 0.22)),
        "near_fall_count": whole(block.near_falls[who, month], g.random(len(who)) < 0.05),
    }
    suffix = pick(numbered(model.MONTHS), month)
    return rows_of("fall_report", "FR", block, who, suffix, known_after(g, last_day), columns)


def make_outcome_assessments(seed: int, block: Block, g: np.random.Generator) -> Rows:
    """MSWS-12 v1 in every seen month (the score of the model in raw steps), FSS each quarter, PDDS twice a year."""
    months = np.arange(model.MONTHS)
    has = np.stack([months >= 0, months % 3 == 2, months % 6 == 5], axis=1)
    who, month, kind = np.nonzero(block.is_seen[:, :, None] & has)
    n = len(who)
    walking = raw_walking_score(block.score[who, month])
    fatigue = np.clip(np.round(9 + 54 * block.fatigue[who, month] / 100), 9, 63).astype(np.int64)
    lasting = block.mean_weakness[who] + block.slope[who] * month / 12
    steps = np.digitize(lasting + g.normal(0, 3, n), (12, 24, 34, 44, 56, 68, 84, 104))
    items = np.zeros((n, 12), np.int64)
    is_answered = np.zeros((n, 12), bool)
    first, second, third = (kind == place for place in range(3))
    items[first] = split_sum(g, walking[first], 12, 1, 5)
    items[np.flatnonzero(second)[:, None], np.arange(9)] = split_sum(g, fatigue[second], 9, 1, 7)
    items[third, 0] = steps[third]
    is_answered[first] = True
    has_skipped = first & (g.random(n) < 0.01)  # a skipped item: the platform gives no score
    is_answered[np.flatnonzero(has_skipped), g.integers(0, 12, int(has_skipped.sum()))] = False
    score = np.select([first, second], [np.round((walking - 12) / 48 * 100, 2), np.round(fatigue / 9, 2)], steps)
    texts = scatter(
        [
            (first, answers(items[first], is_answered[first])),
            (second, answers(items[second, :9], np.ones((int(second.sum()), 9), bool))),
            (third, pick(tuple("012345678"), steps[third])),
        ],
        n,
    )
    mode = draw(g, (0.58, 0.36, 0.05, 0.01), n)
    reported_on = block.reported_on[who, month]
    known_at = known_after(g, reported_on)
    minute = g.integers(6 * 60, 22 * 60, n)
    language = draw(model.open_stream(seed, number_of(block), COUNTRY_STREAM), COUNTRY_SHARES, len(block.patient))
    columns = {
        "instrument_code": pick(("msws_12", "fss", "pdds"), kind),
        "instrument_version": constant("v1", n),
        "assessed_on": dates(reported_on),
        "assessed_at": instants(reported_on * DAY_SECONDS + minute * 60, missing=mode > 1),
        "mode": pick(("web", "app", "paper", "proxy"), mode),
        "language": pick(LANGUAGES, language[who]),
        "recall_days": whole(np.array((14, 7, 0))[kind], third),
        "item_responses": texts,
        "source_score": pa.array(score, mask=has_skipped),
    }
    suffix = pick(numbered(model.MONTHS * 3), month * 3 + kind)
    return rows_of("outcome_assessment", "OA", block, who, suffix, known_at, columns)


def raw_walking_score(score: Floats) -> Ints:
    """Raw sum 12 to 60 of the MSWS-12 whose 0-100 value is nearest to the model's score.

    >>> raw_walking_score(np.array([-3.0, 45.8, 100.0])).tolist()
    [12, 34, 60]
    """
    return np.clip(np.round(score * 48 / 100), 0, 48).astype(np.int64) + 12


def draw_relapses(seed: int, block: Block) -> Ints:
    """Days of relapses in the study, (B, 5), 0 where there is none. Active secondary progression means that at least
    one lies in the last two years.
    """
    g = model.open_stream(seed, number_of(block), RELAPSE_STREAM)
    size = len(block.patient)
    is_active = block.course == model.COURSES.index("aspms")
    count = np.maximum(g.poisson(RELAPSES_A_YEAR[block.course] * model.MONTHS / 12), is_active)
    day = g.integers(model.MONTH_STARTS[0], model.END_DAY - 20, (size, MOST_RELAPSES))
    day[is_active, 0] = model.END_DAY - g.integers(30, 690, int(is_active.sum()))
    return np.where(np.arange(MOST_RELAPSES) < count[:, None], day, 0)


def make_patients(seed: int, block: Block, g: np.random.Generator) -> Rows:
    n = len(block.patient)
    course = block.course
    is_secondary = (course == model.COURSES.index("nrspms")) | (course == model.COURSES.index("aspms"))
    is_nrspms = course == model.COURSES.index("nrspms")
    is_primary = course == model.COURSES.index("ppms")
    enrolled_on = enrolment(seed, block)
    age = np.floor(block.age).astype(np.int64)
    birth_year = 2025 - age
    illness = np.minimum(np.clip(g.gamma(3.0, 5.0, n) + 5 * is_secondary, 3, 50).astype(np.int64), age - 12)
    onset = 2025 - illness
    diagnosis = np.minimum(onset + g.integers(0, 4, n), 2022)
    progression = _day_of_year(np.minimum(onset + (illness * 0.6 * is_secondary).astype(np.int64), 2021), g)
    progression, progression_precision = blur_dates(progression, g, (0.1, 0.4, 0.5))
    is_progressive = (is_secondary | is_primary) & (g.random(n) < 0.9)

    relapses = draw_relapses(seed, block)
    last_relapse = relapses.max(axis=1)
    before = model.MONTH_STARTS[0] - g.integers(40, 2500, n)
    last_relapse = np.where((last_relapse == 0) & ~is_primary, np.where(is_nrspms, before - 40, before), last_relapse)
    knows_last = (last_relapse > 0) & (g.random(n) < np.where(is_nrspms, 0.80, 0.88))
    is_old = last_relapse < model.MONTH_STARTS[0]  # before the study the date may be known in part only
    blurred, blur = blur_dates(last_relapse, g, (0.2, 0.5, 0.3))
    last_relapse = np.where(is_old, blurred, last_relapse)
    last_precision = np.where(is_old, blur, 0)
    is_free = last_relapse <= model.END_DAY - 731
    states_free = g.random(n) < np.where(is_nrspms, 0.82, 0.60)

    pdds_like = block.mean_weakness + 3 * block.slope
    ambulation = np.digitize(pdds_like + g.normal(0, 6, n), (50, 66, 82, 104))
    height = np.round(np.where(block.is_female, g.normal(166, 7, n), g.normal(179, 7, n)))
    weight = np.round(np.clip(g.normal(26.5, 5, n), 17, 50) * (height / 100) ** 2)
    country = draw(model.open_stream(seed, number_of(block), COUNTRY_STREAM), COUNTRY_SHARES, n)
    sex = np.where(g.random(n) < 0.004, 2, np.where(block.is_female, 0, 1))
    last_active = last_seen(block, enrolled_on)
    no_data = g.random((5, n)) < 0.04
    columns = {
        "birth_year": whole(birth_year, no_data[0]),
        "sex": pick(("female", "male", "other"), sex),
        "country_code": pick(COUNTRIES, country, no_data[1]),
        "condition_code": constant("ms", n),
        "ms_course": pick(("rrms", "spms", "spms", "ppms", "cis", "unknown"), course),
        "symptom_onset_year": whole(onset, no_data[2]),
        "diagnosis_year": whole(diagnosis),
        "progression_started_on": dates(progression, ~is_progressive),
        "progression_started_on_precision": pick(PRECISIONS, progression_precision, ~is_progressive),
        "last_relapse_on": dates(last_relapse, ~knows_last),
        "last_relapse_on_precision": pick(PRECISIONS, last_precision, ~knows_last),
        "is_relapse_free_24_months": pa.array(is_free, mask=~states_free),
        "ambulation": pick(("unaided", "one_aid", "two_aids", "wheelchair", "bed"), ambulation),
        "diagnosis_source": pick(("self", "clinician", "unknown"), draw(g, (0.55, 0.40, 0.05), n)),
        "height_cm": whole(np.clip(height, 140, 215), no_data[3]),
        "weight_kg": whole(np.clip(weight, 35, 220), no_data[4]),
        "enrolled_on": dates(enrolled_on),
        "last_active_on": dates(last_active),
    }
    return rows_of("patient", "PT", block, np.arange(n), None, known_after(g, last_active), columns)


def _day_of_year(year: Ints, g: np.random.Generator) -> Ints:
    return (year - 1970).astype("M8[Y]").astype("M8[D]").astype(np.int64) + g.integers(0, 365, len(year))


def make_consents(seed: int, block: Block, g: np.random.Generator) -> Rows:
    """The platform's consent of all; release of aggregates granted by 98 %, withdrawn later by 2 % of all."""
    size = len(block.patient)
    enrolled_on = enrolment(seed, block)
    u = g.random(size)
    has = np.stack([np.ones(size, bool), u >= CONSENT_NEVER, u >= 1 - CONSENT_WITHDRAWN], axis=1)
    withdrawn_on = g.integers(model.MONTH_STARTS[2], model.END_DAY - 10, size)
    who, slot = np.nonzero(has)
    minute = g.integers(7 * 60, 22 * 60, len(who))
    day = np.where(slot == 2, withdrawn_on[who], enrolled_on[who])
    effective = day * DAY_SECONDS + minute * 60
    columns = {
        "scope": pick(("platform", "aggregate_release", "aggregate_release"), slot),
        "status": pick(("granted", "granted", "withdrawn"), slot),
        "effective_at": instants(effective),
        "policy_version": pick(("2022-1", "2024-2"), (day >= model.MONTH_STARTS[15]).astype(np.int64)),
    }
    return rows_of("consent", "CO", block, who, pick(numbered(3), slot), effective + 60, columns)


def make_relapses(seed: int, block: Block, g: np.random.Generator) -> Rows:
    day = draw_relapses(seed, block)
    who, slot = np.nonzero(day)
    started_on, precision = blur_dates(day[who, slot], g, (0.85, 0.15))
    n = len(who)
    columns = {
        "started_on": dates(started_on),
        "started_on_precision": pick(PRECISIONS, precision),
        "is_steroid_treated": pa.array(g.random(n) < 0.6, mask=g.random(n) < 0.06),
        "recovery": pick(("full", "partial", "none", "unknown"), draw(g, (0.45, 0.40, 0.08, 0.07), n)),
    }
    return rows_of(
        "relapse", "RE", block, who, pick(numbered(MOST_RELAPSES), slot), known_after(g, day[who, slot], 10), columns
    )


def make_tables(seed: int, block: Block) -> dict[str, Rows]:
    """All ten tables of one whole block, parents first."""
    g = model.open_stream(seed, number_of(block), RECORD_STREAM)
    return {
        "patient": make_patients(seed, block, g),
        "consent": make_consents(seed, block, g),
        "relapse": make_relapses(seed, block, g),
        "symptom_report": make_symptom_reports(block, g),
        "activity_limitation": make_activity_limitations(block, g),
        "weekly_activity": make_weekly_activities(block, g),
        "fall_report": make_fall_reports(block, g),
        "treatment_episode": make_treatment_episodes(seed, block, g),
        "treatment_evaluation": make_treatment_evaluations(seed, block, g),
        "outcome_assessment": make_outcome_assessments(seed, block, g),
    }
