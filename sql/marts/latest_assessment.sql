-- How each patient gave the answers of their latest assessment in the window.
-- Grain: patient_id.  Inputs: core.consented_outcome_assessment, marts.patient.
-- Of several of one day the newest version. Instruments the code list does not know are left out.
SELECT
    assessment.patient_id,
    assessment.assessed_on,
    coalesce(assessment.mode, 'unknown')::VARCHAR AS mode
FROM core.consented_outcome_assessment AS assessment
JOIN marts.as_of AS as_of ON assessment.assessed_on BETWEEN as_of.window_from_on AND as_of.as_of_on
SEMI JOIN marts.patient AS patient ON patient.patient_id = assessment.patient_id
WHERE NOT contains(assessment.instrument_code, ':')
QUALIFY row_number() OVER (
    PARTITION BY assessment.patient_id
    ORDER BY
        assessment.assessed_on DESC, assessment.assessed_at DESC NULLS LAST, assessment.source_updated_at DESC NULLS LAST,
        assessment.exported_at DESC NULLS LAST, assessment.row_hash DESC, assessment.record_id
) = 1
