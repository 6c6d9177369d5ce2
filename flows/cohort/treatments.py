"""What patients take and how they rate it: six treatments of the latent model and eight more without any effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from flows.cohort import model
from flows.cohort.columns import (
    COUNTRY_SHARES,
    COUNTRY_STREAM,
    CURRENCIES,
    OTHER_TREATMENT_STREAM,
    PRECISIONS,
    Rows,
    blur_dates,
    dates,
    draw,
    enrolment,
    joined,
    known_after,
    last_seen,
    number_of,
    numbered,
    patient_ids,
    pick,
    rows_of,
    whole,
)
from flows.cohort.model import Block, Flags, Ints

# code, category, purposes, dose unit, dose amounts, period
MODELLED_TREATMENTS = (
    ("physical_therapy", "physical_therapy", ("muscle_weakness|walking_difficulty", "muscle_weakness"), "", (), ""),
    ("strength_exercise", "exercise", ("muscle_weakness", "muscle_weakness|deconditioning"), "", (), ""),
    ("dalfampridine", "medication", ("muscle_weakness|walking_difficulty", "walking_difficulty"), "mg", (20,), "day"),
    ("baclofen", "medication", ("muscle_weakness|spasticity", "spasticity|cramps"), "mg", (30, 40, 60), "day"),
    ("yoga", "exercise", ("muscle_weakness|stiffness", "muscle_weakness|balance"), "", (), ""),
    ("cane", "assistive_device", ("muscle_weakness|balance", "walking_difficulty|falls"), "", (), ""),
)
OTHER_TREATMENTS = (  # without any effect in the model
    ("walker", "assistive_device", ("walking_difficulty|balance", "falls"), "", (), ""),
    ("ankle_foot_orthosis", "assistive_device", ("walking_difficulty", "muscle_weakness"), "", (), ""),
    ("swimming", "exercise", ("deconditioning", "stiffness|fatigue"), "", (), ""),
    ("hydration", "diet_hydration", ("fatigue", "bladder"), "", (), ""),
    ("balanced_diet", "diet_hydration", ("fatigue", "bowel"), "", (), ""),
    ("energy_conservation", "rest_pacing", ("fatigue", "fatigue|muscle_weakness"), "", (), ""),
    ("amantadine", "medication", ("fatigue", "fatigue"), "mg", (100, 200), "day"),
    ("ocrelizumab", "medication", ("", ""), "mg", (100,), "month"),  # 600 mg every half year
)
EPISODE_KINDS = MODELLED_TREATMENTS + OTHER_TREATMENTS
EPISODE_CATEGORIES = ("medication", "physical_therapy", "assistive_device", "exercise", "diet_hydration", "rest_pacing")
EPISODE_PURPOSES = tuple(
    dict.fromkeys(purpose for kind in EPISODE_KINDS for word in kind[2] for purpose in (word, word.split("|")[0]))
)
SLOTS = len(EPISODE_KINDS) + 1  # the last one is the second span of baclofen
EARLY_RATING_SHARE = 0.15  # of those who rate, who did so once before
OTHER_SHARES = np.array([0.12, 0.10, 0.14, 0.10, 0.14, 0.12, 0.12, 0.35])  # of patients who ever took it
OTHER_STOP_HAZARD = 0.0009  # per day
TITRATION_DAYS, TITRATION_SHARE, TITRATION_DOSE = 28, 0.40, 15  # baclofen often starts low: two spans, one course
BACLOFEN = model.TREATMENTS.index("baclofen")
STOP_REASONS = ("side_effects", "not_working", "doctor_advice", "cost", "course_complete", "improved", "other")
STOP_WORDS = (*STOP_REASONS, "side_effects|doctor_advice", "not_working|cost")
SIDE_EFFECT_CODES = ("dizziness", "nausea", "insomnia", "fatigue", "muscle_weakness", "headache")


@dataclass(frozen=True)
class Episodes:
    """Spans of treatment, (B, 15): the six modelled, the eight others, and the second span of baclofen."""

    has: Flags
    started_on: Ints
    stopped_on: Ints
    is_stopped: Flags
    reason: Ints  # position in STOP_WORDS, -1 if not given
    dose: Ints  # 0: none


def draw_episodes(seed: int, block: Block) -> Episodes:
    g = model.open_stream(seed, number_of(block), OTHER_TREATMENT_STREAM)
    size, others = len(block.patient), len(OTHER_TREATMENTS)
    has_other = g.random((size, others)) < OTHER_SHARES
    start_other = g.integers(model.MONTH_STARTS[0] - 1200, model.END_DAY - 60, (size, others))
    stop_other = start_other + 1 + g.exponential(1 / OTHER_STOP_HAZARD, (size, others)).astype(np.int64)
    is_titrated = (block.start_month[:, BACLOFEN] >= 0) & (g.random(size) < TITRATION_SHARE)
    raised_on = block.started_on[:, BACLOFEN] + TITRATION_DAYS
    is_titrated &= (block.stopped_on[:, BACLOFEN] > raised_on + TITRATION_DAYS) & (raised_on < model.END_DAY)

    has = np.concatenate([block.start_month >= 0, has_other, is_titrated[:, None]], axis=1)
    start = np.concatenate([block.started_on, start_other, raised_on[:, None]], axis=1)
    stop = np.concatenate([block.stopped_on, stop_other, block.stopped_on[:, [BACLOFEN]]], axis=1)
    stop[is_titrated, BACLOFEN] = raised_on[is_titrated]
    is_stopped = has & (stop <= model.END_DAY)

    second = g.random((size, len(model.TREATMENTS))) < 0.12
    side_effects, not_working = STOP_REASONS.index("side_effects"), STOP_REASONS.index("not_working")
    modelled = np.where(block.stop_reason == model.SIDE_EFFECTS, side_effects, not_working)
    modelled = np.where(second, len(STOP_REASONS) + modelled, modelled)  # STOP_WORDS ends with the same two, joined
    modelled = np.where(g.random(modelled.shape) < 0.06, -1, modelled)
    other = g.integers(0, len(STOP_REASONS), (size, others))
    reason = np.concatenate([modelled, other, modelled[:, [BACLOFEN]]], axis=1)
    reason[is_titrated, BACLOFEN] = -1
    dose = np.zeros(has.shape, np.int64)
    for slot, kind in enumerate(EPISODE_KINDS):
        if kind[4]:
            dose[:, slot] = np.array(kind[4])[g.integers(0, len(kind[4]), size)]
    dose[:, -1] = dose[:, BACLOFEN]
    dose[is_titrated, BACLOFEN] = TITRATION_DOSE
    return Episodes(has, start, stop, is_stopped, reason, dose)


def make_treatment_episodes(seed: int, block: Block, g: np.random.Generator) -> Rows:
    episodes = draw_episodes(seed, block)
    who, slot = np.nonzero(episodes.has)
    n = len(who)
    kind = np.where(slot == len(EPISODE_KINDS), BACLOFEN, slot)
    category = np.array([EPISODE_CATEGORIES.index(row[1]) for row in EPISODE_KINDS])[kind]
    start, stop = episodes.started_on[who, slot], episodes.stopped_on[who, slot]
    is_stopped, dose = episodes.is_stopped[who, slot], episodes.dose[who, slot]
    seen_last = last_seen(block, enrolment(seed, block))
    confirmed = np.where(is_stopped, stop, np.maximum(seen_last[who], start))
    blurred, blur = blur_dates(start, g, (0.4, 0.4, 0.2))
    is_old = start < model.MONTH_STARTS[0]
    purposes = np.array([EPISODE_PURPOSES.index(word) for row in EPISODE_KINDS for word in row[2]]).reshape(-1, 2)
    purpose = purposes[kind, (g.random(n) < 0.3).astype(np.int64)]
    is_session = np.isin(category, (EPISODE_CATEGORIES.index("physical_therapy"), EPISODE_CATEGORIES.index("exercise")))
    has_clinician = np.isin(category, (0, 1, 2)) & (g.random(n) < 0.9)
    reason = episodes.reason[who, slot]
    no_dose = dose == 0
    period = (EPISODE_KINDS[slot][5] for slot in range(len(EPISODE_KINDS)))
    is_monthly = np.array([word == "month" for word in period])[kind]
    columns = {
        "treatment_code": pick(tuple(row[0] for row in EPISODE_KINDS), kind),
        "category": pick(EPISODE_CATEGORIES, category),
        "started_on": dates(np.where(is_old, blurred, start)),
        "started_on_precision": pick(PRECISIONS, np.where(is_old, blur, 0)),
        "stopped_on": dates(stop, ~is_stopped),
        "stopped_on_precision": pick(PRECISIONS, np.zeros(n, np.int64), ~is_stopped),
        "status": pick(("current", "stopped"), is_stopped.astype(np.int64)),
        "last_confirmed_on": dates(confirmed),
        "dose_amount": whole(dose, no_dose),
        "dose_unit": pick(("mg",), np.zeros(n, np.int64), no_dose),
        "dose_period": pick(("day", "month"), is_monthly.astype(np.int64), no_dose),
        "sessions_per_week": whole(1 + g.poisson(1.2, n), ~is_session),
        "minutes_per_session": whole(15 * g.integers(1, 5, n), ~is_session),
        "purpose_codes": pick(EPISODE_PURPOSES, purpose, purpose == EPISODE_PURPOSES.index("")),
        "stop_reasons": pick(STOP_WORDS, reason, ~is_stopped | (reason < 0)),
        "prescribed_by": pick(("clinician", "self"), (~has_clinician).astype(np.int64)),
    }
    return rows_of(
        "treatment_episode", "TE", block, who, pick(numbered(SLOTS), slot), known_after(g, confirmed), columns
    )


def make_treatment_evaluations(seed: int, block: Block, g: np.random.Generator) -> Rows:
    """One rating of those who rate, and for some an earlier one: only the latest carries the planted shares."""
    episodes = draw_episodes(seed, block)
    size, others = len(block.patient), len(OTHER_TREATMENTS)
    is_asked = np.array([bool(row[2][0]) for row in OTHER_TREATMENTS])  # a purpose is needed for a rating
    rates_other = episodes.has[:, len(model.TREATMENTS) : SLOTS - 1] & (g.random((size, others)) < 0.45) & is_asked
    rates = np.concatenate([block.is_rated, rates_other], axis=1)
    is_effective = np.concatenate([block.is_effective, g.random((size, others)) < 0.4], axis=1)
    is_cant_tell = np.concatenate([block.is_cant_tell, g.random((size, others)) < model.CANT_TELL_SHARE], axis=1)
    is_early = rates & (g.random(rates.shape) < EARLY_RATING_SHARE)
    who, kind, latest = np.nonzero(np.stack([is_early, rates], axis=2))
    n = len(who)
    is_latest = latest == 1
    has_second_span = episodes.has[who, SLOTS - 1] & (kind == BACLOFEN)
    slot = np.where(has_second_span, SLOTS - 1, kind)
    start, stop, is_stopped = (a[who, slot] for a in (episodes.started_on, episodes.stopped_on, episodes.is_stopped))
    # Those who stopped look back within a month; the others rate some time after the first three weeks.
    earliest = np.where(is_stopped, stop, np.maximum(start, model.MONTH_STARTS[0]) + 21)
    latest_day = np.minimum(np.where(is_stopped, stop + 30, model.END_DAY), model.END_DAY)
    evaluated_on = earliest + (g.random(n) * np.maximum(latest_day - earliest, 0)).astype(np.int64)
    evaluated_on = np.where(is_latest, evaluated_on, np.minimum(start + 7, earliest - 1))
    effective = np.where(is_latest, is_effective[who, kind], g.random(n) < 0.5)
    cant_tell = np.where(is_latest, is_cant_tell[who, kind], g.random(n) < 0.3)
    strong = g.random(n)
    level = np.select([cant_tell, effective], [4, (strong > 0.42).astype(int)], 2 + (strong > 0.60))
    reason = episodes.reason[who, slot]
    gave_up = is_stopped & np.isin(reason, (STOP_REASONS.index("side_effects"), len(STOP_REASONS)))
    is_medicine = np.array([row[1] == "medication" for row in EPISODE_KINDS])[kind]
    side = np.where(is_medicine, draw(g, (0.45, 0.33, 0.16, 0.06), n), draw(g, (0.85, 0.11, 0.03, 0.01), n))
    side = np.where(gave_up, draw(g, (0.0, 0.10, 0.50, 0.40), n), side)
    purpose = np.array([EPISODE_PURPOSES.index(row[2][0].split("|")[0]) for row in EPISODE_KINDS])[kind]
    is_undated = is_latest & ~is_early[who, kind] & (g.random(n) < 0.03)
    country = draw(model.open_stream(seed, number_of(block), COUNTRY_STREAM), COUNTRY_SHARES, size)[who]
    cost = np.where(is_medicine, draw(g, (0.4, 0.2, 0.15, 0.12, 0.13), n), draw(g, (0.6, 0.15, 0.1, 0.1, 0.05), n))
    columns = {
        "source_episode_id": joined("TE", patient_ids(block.patient).take(pa.array(who)), pick(numbered(SLOTS), slot)),
        "evaluated_on": dates(evaluated_on, is_undated),
        "purpose_code": pick(EPISODE_PURPOSES, purpose),
        "effectiveness": pick(("major", "moderate", "slight", "none", "cant_tell"), level),
        "side_effect_severity": pick(("none", "mild", "moderate", "severe"), side),
        "side_effect_codes": pick(SIDE_EFFECT_CODES, g.integers(0, len(SIDE_EFFECT_CODES), n), side == 0),
        "adherence": pick(("always", "usually", "sometimes", "never"), draw(g, (0.45, 0.35, 0.15, 0.05), n)),
        "burden": pick(("none", "a_little", "somewhat", "very"), draw(g, (0.4, 0.35, 0.18, 0.07), n)),
        "monthly_cost_band": pick(("lt25", "25_49", "50_99", "100_199", "ge200"), cost, g.random(n) < 0.1),
        "currency_code": pick(CURRENCIES, country),
    }
    suffix = pick(numbered(2 * SLOTS), slot * 2 + latest)
    return rows_of("treatment_evaluation", "TV", block, who, suffix, known_after(g, evaluated_on), columns)
