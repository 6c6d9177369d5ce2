-- How each patient last reported each activity of daily life in the window: its difficulty and the help used.
-- Grain: patient_id, activity_code.  Inputs: core.consented_activity_limitation, marts.patient.
-- The latest report; of two of one day the newest version. Codes the code list does not know are left out.
WITH report AS (
    SELECT report.*
    FROM core.consented_activity_limitation AS report
    JOIN marts.as_of AS as_of ON report.reported_on BETWEEN as_of.window_from_on AND as_of.as_of_on
    SEMI JOIN marts.patient AS patient ON patient.patient_id = report.patient_id
    WHERE NOT contains(report.activity_code, ':')
)
SELECT
    patient_id,
    activity_code::VARCHAR AS activity_code,
    difficulty::TINYINT AS difficulty,
    coalesce(help, 'unknown')::VARCHAR AS help
FROM report
QUALIFY row_number() OVER (
    PARTITION BY patient_id, activity_code
    ORDER BY reported_on DESC, source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
) = 1
