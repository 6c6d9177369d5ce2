-- Patients who have taken or done a treatment for any purpose.
-- Grain: source_family, treatment_code.  Inputs: marts.treatment_rating.
WITH taker AS (
    SELECT DISTINCT source_family, treatment_code, patient_id FROM marts.treatment_rating
)
SELECT
    source_family,
    treatment_code,
    count(*)::BIGINT AS patient_count,
    bit_xor(patient_mark(patient_id))::UHUGEINT AS patient_set
FROM taker
GROUP BY ALL
