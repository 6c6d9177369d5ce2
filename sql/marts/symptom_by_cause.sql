-- Of the patients whose latest report in the window says that a symptom is there: what they think causes it.
-- Grain: symptom_code, perceived_cause.  Inputs: marts.symptom_status.  A perception, not a finding.
-- Only symptoms for which at least one patient named a cause; weakness stands in marts.weakness_by_cause.
WITH cause(perceived_cause, position) AS (
    VALUES ('direct_nerve', 1), ('indirect_deconditioning', 2), ('both', 3), ('unknown', 4)
),
felt AS (
    SELECT symptom_code, perceived_cause, patient_id
    FROM marts.symptom_status
    WHERE severity > 0 AND symptom_code <> 'muscle_weakness'
),
named AS (
    SELECT DISTINCT symptom_code FROM felt WHERE perceived_cause <> 'unknown'
)
SELECT
    named.symptom_code,
    cause.perceived_cause::VARCHAR AS perceived_cause,
    cause.position::INTEGER AS position,
    count(felt.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(felt.patient_id)) FILTER (felt.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM named
CROSS JOIN cause
LEFT JOIN felt ON felt.symptom_code = named.symptom_code AND felt.perceived_cause = cause.perceived_cause
GROUP BY ALL
