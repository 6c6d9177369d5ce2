-- Starters of each treatment compared with matched patients who did not start: nested monthly trials.
-- Grain: treatment_code, outcome_code.  Inputs: marts.trial_starter, marts.trial_baseline, marts.trial_start, marts.trial_state.
-- An estimated mart: this statement yields the candidates, and `compare` in flows/stages/trials.py makes the mart of them.
-- A candidate is a patient in a month: a starter, or somebody of the same source and month who never began the treatment before
-- and does not begin it now, drawn by chance: ten for each starter, 200 at least. Who begins later stays in. All that is known
-- of a candidate is of the time before the month. A covariate that is the outcome itself is NULL throughout.
WITH trial AS (
    SELECT treatment_code, outcome_code, trial_month, source_system, greatest(200, 10 * count(*)) AS wanted_count
    FROM marts.trial_starter
    WHERE is_compared
    GROUP BY ALL
),
starter AS (
    SELECT
        starter.treatment_code,
        baseline.*,
        true AS is_starter,
        starter.is_still_taking,
        false AS has_crossed_over
    FROM marts.trial_starter AS starter
    JOIN marts.trial_baseline AS baseline
        ON baseline.patient_id = starter.patient_id
        AND baseline.outcome_code = starter.outcome_code
        AND baseline.trial_month = starter.trial_month
    WHERE starter.is_compared
),
control AS (
    SELECT
        trial.treatment_code,
        baseline.*,
        false AS is_starter,
        false AS is_still_taking,
        coalesce(start.start_month <= 12 * year(baseline.follow_up_on) + month(baseline.follow_up_on), false) AS has_crossed_over
    FROM trial
    JOIN marts.trial_baseline AS baseline
        ON baseline.outcome_code = trial.outcome_code
        AND baseline.trial_month = trial.trial_month
        AND baseline.source_system = trial.source_system
        AND baseline.place <= trial.wanted_count
    LEFT JOIN marts.trial_start AS start
        ON start.patient_id = baseline.patient_id AND start.treatment_code = trial.treatment_code
    WHERE baseline.follow_up IS NOT NULL
        AND (start.patient_id IS NULL OR start.start_month > trial.trial_month)
),
candidate AS (
    SELECT * FROM starter
    UNION ALL
    SELECT * FROM control
)
SELECT
    candidate.treatment_code,
    candidate.outcome_code,
    (candidate.trial_month || ' ' || candidate.source_system)::VARCHAR AS stratum,
    candidate.patient_id::VARCHAR AS patient_id,
    candidate.is_starter,
    candidate.is_still_taking,
    candidate.has_crossed_over,
    candidate.follow_up,
    candidate.baseline,
    (candidate.baseline - candidate.earlier)::DOUBLE AS trend,
    CASE WHEN candidate.outcome_code <> 'muscle_weakness' THEN state.weakness END::DOUBLE AS weakness,
    CASE WHEN candidate.outcome_code <> 'fatigue' THEN state.fatigue END::DOUBLE AS fatigue,
    state.activity::DOUBLE AS activity,
    state.disability::DOUBLE AS disability,
    state.age::DOUBLE AS age,
    state.female::DOUBLE AS female,
    state.nrspms::DOUBLE AS nrspms,
    state.other_progressive::DOUBLE AS other_progressive,
    state.years_diagnosed::DOUBLE AS years_diagnosed,
    state.treatments::DOUBLE AS treatments
FROM candidate
JOIN marts.trial_state AS state
    ON state.patient_id = candidate.patient_id AND state.trial_month = candidate.trial_month
ORDER BY
    candidate.treatment_code, candidate.outcome_code, stratum, candidate.is_starter DESC, candidate.place, candidate.patient_id
