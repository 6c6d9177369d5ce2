-- Who began a treatment in a month before which an outcome was known: the starters of each comparison.
-- Grain: treatment_code, outcome_code, patient_id.  Inputs: marts.trial_start, marts.trial_baseline, marts.trial_outcome,
-- core.consented_treatment_episode.
-- Treatments that at least 30 patients began within the 36 months. `is_compared`: has a follow-up, and is one of at most 100
-- starters of the month (by chance) that are compared. `is_still_taking`: no stop is known by the day of the follow-up.
-- `is_control`: the treatment cannot move this outcome.
WITH started AS (
    SELECT start.*
    FROM marts.trial_start AS start
    WHERE start.start_month > (SELECT max(12 * year(as_of_on) + month(as_of_on)) - 36 FROM marts.as_of)
),
common AS (
    SELECT treatment_code FROM started GROUP BY ALL HAVING count(*) >= 30
),
starter AS (
    SELECT
        started.treatment_code,
        baseline.outcome_code,
        started.patient_id,
        baseline.trial_month,
        baseline.source_system,
        baseline.follow_up_on,
        baseline.follow_up IS NOT NULL AS has_follow_up,
        list_contains(outcome.control_treatments, started.treatment_code)
            OR list_contains(outcome.control_categories, started.category) AS is_control,
        row_number() OVER (
            PARTITION BY
                started.treatment_code, baseline.outcome_code, baseline.trial_month, baseline.source_system,
                baseline.follow_up IS NULL
            ORDER BY baseline.place, started.patient_id
        ) AS place
    FROM started
    SEMI JOIN common ON common.treatment_code = started.treatment_code
    JOIN marts.trial_baseline AS baseline
        ON baseline.patient_id = started.patient_id AND baseline.trial_month = started.start_month
    JOIN marts.trial_outcome AS outcome ON outcome.outcome_code = baseline.outcome_code
),
taken AS (
    SELECT starter.treatment_code, starter.outcome_code, starter.patient_id
    FROM starter
    JOIN core.consented_treatment_episode AS episode
        ON episode.patient_id = starter.patient_id AND episode.treatment_code = starter.treatment_code
    WHERE episode.started_on <= starter.follow_up_on
        AND (episode.stopped_on IS NULL OR episode.stopped_on > starter.follow_up_on)
    GROUP BY ALL
)
SELECT
    starter.treatment_code,
    starter.outcome_code,
    starter.patient_id,
    starter.trial_month,
    starter.source_system,
    starter.has_follow_up,
    starter.has_follow_up AND starter.place <= 100 AS is_compared,
    taken.patient_id IS NOT NULL AS is_still_taking,
    starter.is_control,
    starter.place::INTEGER AS place
FROM starter
LEFT JOIN taken
    ON taken.treatment_code = starter.treatment_code
    AND taken.outcome_code = starter.outcome_code
    AND taken.patient_id = starter.patient_id
