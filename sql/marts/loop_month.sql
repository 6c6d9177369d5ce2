-- Months in which a patient reported fatigue, activity and muscle weakness, and the run of consecutive months each belongs to.
-- Grain: patient_id, month_number.  Inputs: marts.trial_month, marts.trial_use.
-- `is_longest`: of the longest run of the patient; of two as long the later one.
WITH complete AS (
    SELECT
        patient_id,
        month_number,
        max(value) FILTER (measure = 'fatigue') AS fatigue,
        max(value) FILTER (measure = 'active_minutes') AS activity,
        max(value) FILTER (measure = 'muscle_weakness') AS weakness
    FROM marts.trial_month
    WHERE measure IN ('fatigue', 'active_minutes', 'muscle_weakness')
    GROUP BY ALL
    HAVING fatigue IS NOT NULL AND activity IS NOT NULL AND weakness IS NOT NULL
),
numbered AS (
    SELECT
        complete.*,
        month_number - row_number() OVER (PARTITION BY patient_id ORDER BY month_number) AS run
    FROM complete
),
measured AS (
    SELECT
        numbered.*,
        count(*) OVER (PARTITION BY patient_id, run) AS run_months,
        min(month_number) OVER (PARTITION BY patient_id, run) AS first_month
    FROM numbered
)
SELECT
    measured.patient_id,
    measured.month_number,
    fatigue::DOUBLE AS fatigue,
    activity::DOUBLE AS activity,
    weakness::DOUBLE AS weakness,
    trial_use.treatment_count,
    run_months::INTEGER AS run_months,
    first_month::INTEGER AS first_month,
    first_month = first_value(first_month) OVER (
        PARTITION BY measured.patient_id ORDER BY run_months DESC, first_month DESC
    ) AS is_longest
FROM measured
JOIN marts.trial_use AS trial_use
    ON trial_use.patient_id = measured.patient_id AND trial_use.month_number = measured.month_number
