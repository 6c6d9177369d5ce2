-- The latest report of a symptom for each part of the body, in the window.
-- Grain: patient_id, symptom_code, body_region.  Inputs: core.consented_symptom_report.
-- Of two reports of one day and region the newest version counts. Weakness that a source files under a code of its own for
-- each part of the body is muscle weakness of that part. Codes the code list does not know are left out.
WITH report AS (
    SELECT
        report.patient_id,
        CASE
            WHEN report.symptom_code IN ('leg_weakness', 'arm_weakness', 'trunk_weakness', 'facial_weakness') THEN 'muscle_weakness'
            ELSE report.symptom_code
        END AS symptom_code,
        CASE report.symptom_code
            WHEN 'leg_weakness' THEN 'legs'
            WHEN 'arm_weakness' THEN 'arms_hands'
            WHEN 'trunk_weakness' THEN 'torso'
            WHEN 'facial_weakness' THEN 'face'
            ELSE coalesce(report.body_region, 'unknown')
        END AS body_region,
        report.reported_on,
        report.severity,
        coalesce(report.perceived_cause, 'unknown') AS perceived_cause,
        report.is_worse_with_heat,
        report.is_worse_after_exertion,
        report.source_updated_at,
        report.exported_at,
        report.row_hash,
        report.record_id
    FROM core.consented_symptom_report AS report
    JOIN marts.as_of AS as_of ON report.reported_on BETWEEN as_of.window_from_on AND as_of.as_of_on
    SEMI JOIN marts.patient AS patient ON patient.patient_id = report.patient_id
    WHERE NOT contains(report.symptom_code, ':')
)
SELECT
    patient_id,
    symptom_code::VARCHAR AS symptom_code,
    body_region::VARCHAR AS body_region,
    reported_on,
    severity,
    perceived_cause::VARCHAR AS perceived_cause,
    is_worse_with_heat,
    is_worse_after_exertion
FROM report
QUALIFY row_number() OVER (
    PARTITION BY patient_id, symptom_code, body_region
    ORDER BY reported_on DESC, source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
) = 1
