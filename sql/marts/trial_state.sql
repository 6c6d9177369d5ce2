-- What is known of a patient before each month in which a treatment could begin, besides the outcome itself.
-- Grain: patient_id, trial_month.  Inputs: marts.trial_month, marts.trial_use, marts.trial_patient.
-- Severities and active minutes of the month before; walking disability (PDDS) as last known within the twelve months before;
-- treatments in use on the first day of the month before.
WITH month AS (
    SELECT
        patient_id,
        month_number,
        max(value) FILTER (measure = 'muscle_weakness') AS weakness,
        max(value) FILTER (measure = 'fatigue') AS fatigue,
        max(value) FILTER (measure = 'active_minutes') AS activity,
        max(value) FILTER (measure = 'pdds') AS disability
    FROM marts.trial_month
    GROUP BY ALL
),
known AS (
    SELECT
        * EXCLUDE (disability),
        last_value(disability IGNORE NULLS) OVER (
            PARTITION BY patient_id ORDER BY month_number RANGE BETWEEN 11 PRECEDING AND CURRENT ROW
        ) AS disability
    FROM month
)
SELECT
    known.patient_id,
    (known.month_number + 1)::INTEGER AS trial_month,
    known.weakness::DOUBLE AS weakness,
    known.fatigue::DOUBLE AS fatigue,
    known.activity::DOUBLE AS activity,
    known.disability::DOUBLE AS disability,
    known.month_number // 12 - patient.birth_year AS age,
    known.month_number // 12 - patient.diagnosis_year AS years_diagnosed,
    patient.female,
    patient.nrspms,
    patient.other_progressive,
    trial_use.treatment_count AS treatments
FROM known
JOIN marts.trial_patient AS patient ON patient.patient_id = known.patient_id
JOIN marts.trial_use AS trial_use
    ON trial_use.patient_id = known.patient_id AND trial_use.month_number = known.month_number
