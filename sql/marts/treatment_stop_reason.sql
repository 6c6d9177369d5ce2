-- Why those stopped who no longer use a treatment. Several reasons may hold for one patient.
-- Grain: source_family, treatment_code, reason.  Inputs: marts.treatment_status.
-- `given` and `not_given` are parts of those who stopped; each reason is a share of `given`. A reason of nobody has no row.
WITH stopped AS (
    SELECT source_family, treatment_code, patient_id, stop_reasons FROM marts.treatment_status WHERE status = 'stopped'
),
reason AS (
    SELECT source_family, treatment_code, patient_id, 'given' AS reason FROM stopped WHERE len(stop_reasons) > 0
    UNION ALL
    SELECT source_family, treatment_code, patient_id, 'not_given' AS reason FROM stopped WHERE len(stop_reasons) = 0
    UNION ALL
    SELECT source_family, treatment_code, patient_id, unnest(stop_reasons) AS reason FROM stopped
)
SELECT
    source_family,
    treatment_code,
    reason::VARCHAR AS reason,
    count(*)::BIGINT AS patient_count,
    bit_xor(patient_mark(patient_id))::UHUGEINT AS patient_set
FROM reason
GROUP BY ALL
