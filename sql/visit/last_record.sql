-- The day of the member's last record of any kind, up to the day of the sheet.  Grain: one row.  Params: patient, until
WITH day AS (
    SELECT reported_on AS dated_on FROM core.symptom_report WHERE patient_id = $patient
    UNION ALL
    SELECT reported_on FROM core.activity_limitation WHERE patient_id = $patient
    UNION ALL
    SELECT week_starting_on FROM core.weekly_activity WHERE patient_id = $patient
    UNION ALL
    SELECT period_ended_on FROM core.fall_report WHERE patient_id = $patient
    UNION ALL
    SELECT evaluated_on FROM core.treatment_evaluation WHERE patient_id = $patient
    UNION ALL
    SELECT last_confirmed_on FROM core.treatment_episode WHERE patient_id = $patient
    UNION ALL
    SELECT assessed_on FROM core.outcome_assessment WHERE patient_id = $patient
)
SELECT max(dated_on)::DATE AS last_on
FROM day
WHERE dated_on <= $until::DATE
