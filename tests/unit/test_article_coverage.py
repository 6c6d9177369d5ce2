"""Every statement of the article on muscle weakness in nrSPMS has a place in the data.

One row a statement, in the article's order; what it points at must exist in a code list or a contract.
"""

import pytest

from schemas.codes import code_list
from schemas.contract import contract

# statement -> places; a place is "list:code", "table.column" or "table.column=value"
STATEMENTS = {
    "weakness is a common symptom": ["symptom:muscle_weakness", "symptom_report.severity"],
    "damage to the nerves, the immune system attacks myelin": ["symptom_report.perceived_cause=direct_nerve"],
    "weakness, fatigue and difficulty coordinating": ["symptom:fatigue", "symptom:incoordination"],
    "non-relapsing secondary progressive MS": [
        "condition:ms",
        "patient.ms_course=spms",
        "patient.progression_started_on",
        "patient.last_relapse_on",
        "patient.is_relapse_free_24_months",
        "relapse.started_on",
    ],
    "symptoms get worse with time": ["symptom_report.reported_on", "outcome_assessment.assessed_on"],
    "strategies maintain independence": ["activity:independence", "activity_limitation.help"],
    "mild, making some tasks harder": ["symptom_report.severity=1", "activity_limitation.difficulty"],
    "more severe, leading to mobility challenges": [
        "symptom_report.severity=3",
        "patient.ambulation",
        "instrument:pdds",
    ],
    "weak muscles need more effort, which worsens fatigue": ["symptom_report.is_worse_after_exertion"],
    "weakness and fatigue are closely linked": ["instrument:mfis", "instrument:fss", "symptom:fatigue"],
    "legs": ["symptom_report.body_region=legs", "symptom:leg_weakness"],
    "torso": ["symptom_report.body_region=torso", "symptom:trunk_weakness"],
    "arms and hands": ["symptom_report.body_region=arms_hands", "symptom:arm_weakness"],
    "facial muscles": ["symptom_report.body_region=face", "symptom:facial_weakness"],
    "signals are damaged: weakness, stiffness, coordination": ["symptom:stiffness", "symptom:spasticity"],
    "deconditioning is an indirect cause": [
        "symptom_report.perceived_cause=indirect_deconditioning",
        "symptom:deconditioning",
    ],
    "less active because of fatigue or pain": [
        "weekly_activity.inactivity_reasons=fatigue",
        "weekly_activity.inactivity_reasons=pain",
        "symptom:pain",
    ],
    "muscles that are not used get weaker": ["symptom:muscle_atrophy", "weekly_activity.sedentary_hours_per_day"],
    "a cycle of inactivity and weakness": [
        "weekly_activity.active_minutes",
        "weekly_activity.inactivity_reasons=weakness",
    ],
    "walking": ["activity:walking", "symptom:walking_difficulty", "instrument:msws_12", "instrument:t25fw"],
    "lifting objects": ["activity:lifting"],
    "getting dressed": ["activity:dressing"],
    "lack of coordination, balance issues, more fatigue": ["symptom:balance"],
    "a toll mentally": ["symptom:mood", "symptom:depression", "symptom:anxiety"],
    "frustration": ["symptom:frustration"],
    "self-confidence": ["symptom:low_self_confidence"],
    "legs: a greater risk of falls": [
        "symptom:falls",
        "fall_report.fall_count",
        "fall_report.injurious_fall_count",
        "fall_report.near_fall_count",
        "weekly_activity.inactivity_reasons=fear_of_falling",
    ],
    "hands or arms: opening jars, using a phone": ["activity:open_jar", "activity:phone_use", "instrument:nine_hpt"],
    "torso: posture, back pain, balance": ["symptom:posture", "symptom:back_pain", "symptom:balance"],
    "bladder or bowel symptoms": ["symptom:bladder", "symptom:bowel"],
    "regular physical therapy sessions": [
        "treatment:physical_therapy",
        "treatment_episode.category=physical_therapy",
        "treatment_episode.sessions_per_week",
        "treatment_episode.minutes_per_session",
    ],
    "exercises to strengthen and for flexibility": ["treatment:strength_exercise", "treatment:stretching"],
    "canes, walkers or braces": [
        "treatment:cane",
        "treatment:walker",
        "treatment:brace",
        "treatment:ankle_foot_orthosis",
        "treatment:knee_brace",
    ],
    "assistive devices for support, stability and safety": [
        "treatment_episode.category=assistive_device",
        "treatment:wheelchair",
        "treatment:scooter",
        "treatment:grab_bar",
        "treatment:jar_opener",
        "activity_limitation.help=device",
    ],
    "medications help manage weakness": [
        "treatment_episode.category=medication",
        "treatment:dalfampridine",
        "treatment:baclofen",
        "treatment:tizanidine",
        "treatment:amantadine",
        "treatment:modafinil",
    ],
    "treatments reduce inflammation": ["treatment:ocrelizumab", "treatment:methylprednisolone", "symptom:inflammation"],
    "healthcare professionals may prescribe": ["treatment_episode.prescribed_by=clinician"],
    "what works depends": ["treatment_evaluation.effectiveness", "treatment_evaluation.purpose_code"],
    "exercise tailored to abilities": ["treatment_episode.category=exercise", "treatment:walking_exercise"],
    "although it can be difficult": ["treatment_evaluation.burden", "treatment_evaluation.adherence"],
    "low-impact activities like swimming or yoga": ["treatment:swimming", "treatment:yoga"],
    "a balanced diet": ["treatment:balanced_diet", "treatment_episode.category=diet_hydration"],
    "staying hydrated prevents cramps": ["treatment:hydration", "symptom:cramps"],
    "rest when needed": [
        "treatment:rest",
        "treatment_episode.category=rest_pacing",
        "weekly_activity.rest_break_count_per_day",
    ],
    "pace yourself to conserve energy": [
        "treatment:pacing",
        "treatment:energy_conservation",
        "weekly_activity.pacing",
    ],
    "improve quality of life": ["instrument:eq_5d_5l", "instrument:msis_29", "symptom:general_health"],
    "track your own symptoms, treatments and outcomes": [
        "symptom_report.symptom_code",
        "treatment_episode.treatment_code",
        "outcome_assessment.instrument_code",
    ],
}

COHORT_TREATMENTS = [
    "physical_therapy",
    "strength_exercise",
    "dalfampridine",
    "baclofen",
    "yoga",
    "cane",
    "walker",
    "ankle_foot_orthosis",
    "swimming",
    "hydration",
    "balanced_diet",
    "energy_conservation",
    "amantadine",
    "ocrelizumab",
]


def exists(place: str) -> bool:
    """Whether a place stands in a code list or a contract."""
    if ":" in place:
        name, code = place.split(":")
        return code in {entry.code for entry in code_list(name).codes}
    column_path, _, value = place.partition("=")
    table, column = column_path.split(".")
    found = {entry.name: entry for entry in contract(table).columns}.get(column)
    return found is not None and (not value or value in {str(allowed.value) for allowed in found.allowed})


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_of_the_article_has_its_place(statement):
    assert [place for place in STATEMENTS[statement] if not exists(place)] == []


@pytest.mark.parametrize("place", ["symptom:colour", "symptom_report.colour", "symptom_report.side=above"])
def test_a_place_that_does_not_exist_is_noticed(place):
    assert not exists(place)


@pytest.mark.parametrize("code", COHORT_TREATMENTS)
def test_a_treatment_of_the_synthetic_cohort_is_known(code):
    assert exists(f"treatment:{code}")
