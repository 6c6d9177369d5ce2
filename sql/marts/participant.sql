-- Who reported what in the window that figures of this report can use.
-- Grain: patient_id, reported.  Inputs: marts.symptom_status, marts.activity_status, marts.week_status, marts.fall_exposure,
-- marts.latest_assessment, core.consented_treatment_evaluation.
WITH rating AS (
    SELECT DISTINCT evaluation.patient_id
    FROM core.consented_treatment_evaluation AS evaluation
    JOIN marts.as_of AS as_of ON evaluation.evaluated_on BETWEEN as_of.window_from_on AND as_of.as_of_on
    SEMI JOIN marts.patient AS patient ON patient.patient_id = evaluation.patient_id
    WHERE evaluation.effectiveness IS NOT NULL
),
kind AS (
    SELECT DISTINCT patient_id, 'symptom' AS reported FROM marts.symptom_status
    UNION ALL
    SELECT DISTINCT patient_id, 'activity' AS reported FROM marts.activity_status
    UNION ALL
    SELECT patient_id, 'week' AS reported FROM marts.week_status
    UNION ALL
    SELECT patient_id, 'falls' AS reported FROM marts.fall_exposure
    UNION ALL
    SELECT patient_id, 'assessment' AS reported FROM marts.latest_assessment
    UNION ALL
    SELECT patient_id, 'rating' AS reported FROM rating
)
SELECT patient_id, reported::VARCHAR AS reported FROM kind
UNION ALL
SELECT DISTINCT patient_id, 'any' AS reported FROM kind
