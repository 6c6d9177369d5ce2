-- How many treatments a patient was taking or doing on the first day of each month in which anything is known.
-- Grain: patient_id, month_number.  Inputs: core.consented_treatment_episode, marts.trial_month.
-- A month or year stands for its first day. A treatment without a start is not counted.
WITH known AS (
    SELECT DISTINCT patient_id, month_number FROM marts.trial_month
),
episode AS (
    SELECT
        patient_id,
        treatment_code,
        12 * year(started_on) + month(started_on) + (day(started_on) > 1)::INTEGER AS from_month,
        coalesce(12 * year(stopped_on) + month(stopped_on) + (day(stopped_on) > 1)::INTEGER, 999999) AS to_month
    FROM core.consented_treatment_episode
    WHERE started_on IS NOT NULL AND NOT contains(treatment_code, ':')
)
SELECT
    known.patient_id,
    known.month_number,
    count(DISTINCT episode.treatment_code)::INTEGER AS treatment_count
FROM known
LEFT JOIN episode
    ON episode.patient_id = known.patient_id
    AND known.month_number >= episode.from_month
    AND known.month_number < episode.to_month
GROUP BY ALL
