-- When each patient first began each treatment, as far as the month is known.
-- Grain: patient_id, treatment_code.  Inputs: core.consented_treatment_episode, marts.as_of, marts.trial_patient,
-- marts.treatment_rating (who counts as a taker).
-- `start_month` is NULL where a start is not known to the month: such a patient neither starts nor is free of the treatment.
-- The category is the one most of its episodes state.
WITH episode AS (
    SELECT
        episode.patient_id,
        episode.treatment_code,
        episode.started_on,
        episode.category,
        episode.started_on IS NULL OR episode.started_on_precision = 'year' AS is_undated
    FROM core.consented_treatment_episode AS episode
    SEMI JOIN marts.trial_patient AS patient ON patient.patient_id = episode.patient_id
    SEMI JOIN marts.treatment_rating AS taker
        ON taker.patient_id = episode.patient_id AND taker.treatment_code = episode.treatment_code
    CROSS JOIN marts.as_of AS as_of
    WHERE (episode.started_on IS NULL OR episode.started_on <= as_of.as_of_on)
),
stated AS (
    SELECT treatment_code, category, count(*) AS episode_count FROM episode GROUP BY ALL
),
category AS (
    SELECT treatment_code, arg_max(category, (episode_count, category)) AS category FROM stated GROUP BY ALL
)
SELECT
    episode.patient_id,
    episode.treatment_code::VARCHAR AS treatment_code,
    category.category::VARCHAR AS category,
    CASE WHEN NOT bool_or(is_undated) THEN min(12 * year(started_on) + month(started_on)) END::INTEGER AS start_month
FROM episode
JOIN category ON category.treatment_code = episode.treatment_code
GROUP BY ALL
