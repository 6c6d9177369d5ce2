-- Every month in which a treatment could have begun, for each outcome: what was known of it before and after.
-- Grain: patient_id, outcome_code, trial_month.  Inputs: marts.trial_month, marts.trial_outcome, marts.trial_patient.
-- `baseline` is of the month before, `earlier` the mean of the three before that, `follow_up` of the third month after or, if there
-- is none, the second, else the fourth. `place` is a place in an order by chance among those of the same source and month who
-- have a follow-up: the same for the same patients.
WITH value AS (
    SELECT month.patient_id, month.measure, month.month_number, month.value, month.known_on
    FROM marts.trial_month AS month
    SEMI JOIN marts.trial_outcome AS outcome ON outcome.outcome_code = month.measure
),
after AS (
    SELECT
        before.patient_id,
        before.measure,
        before.month_number,
        before.value,
        coalesce(third.value, second.value, fourth.value) AS follow_up,
        coalesce(third.known_on, second.known_on, fourth.known_on) AS follow_up_on
    FROM value AS before
    LEFT JOIN value AS third
        ON third.patient_id = before.patient_id
        AND third.measure = before.measure
        AND third.month_number = before.month_number + 4
    LEFT JOIN value AS second
        ON second.patient_id = before.patient_id
        AND second.measure = before.measure
        AND second.month_number = before.month_number + 3
    LEFT JOIN value AS fourth
        ON fourth.patient_id = before.patient_id
        AND fourth.measure = before.measure
        AND fourth.month_number = before.month_number + 5
),
earlier AS (
    SELECT
        patient_id,
        measure,
        month_number + months AS month_number,
        avg(value) AS value
    FROM value
    CROSS JOIN (SELECT unnest([1, 2, 3]) AS months)
    GROUP BY ALL
)
SELECT
    after.patient_id,
    after.measure::VARCHAR AS outcome_code,
    (after.month_number + 1)::INTEGER AS trial_month,
    patient.source_system,
    after.value::DOUBLE AS baseline,
    earlier.value::DOUBLE AS earlier,
    after.follow_up::DOUBLE AS follow_up,
    after.follow_up_on::DATE AS follow_up_on,
    row_number() OVER (
        PARTITION BY after.measure, after.month_number, patient.source_system, after.follow_up IS NULL
        ORDER BY md5_number_lower(after.patient_id::VARCHAR || after.month_number), after.patient_id
    )::INTEGER AS place
FROM after
JOIN marts.trial_patient AS patient ON patient.patient_id = after.patient_id
LEFT JOIN earlier
    ON earlier.patient_id = after.patient_id
    AND earlier.measure = after.measure
    AND earlier.month_number = after.month_number
