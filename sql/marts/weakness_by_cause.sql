-- Of the patients whose latest report in the window says muscle weakness: what they think causes it.
-- Grain: perceived_cause.  Inputs: marts.symptom_status.  A perception, not a finding.
WITH cause(perceived_cause, position) AS (
    VALUES ('direct_nerve', 1), ('indirect_deconditioning', 2), ('both', 3), ('unknown', 4)
),
weak AS (
    SELECT patient_id, perceived_cause FROM marts.symptom_status WHERE symptom_code = 'muscle_weakness' AND severity > 0
),
counted AS (
    SELECT
        cause.perceived_cause,
        cause.position,
        count(*) FILTER (weak.perceived_cause = cause.perceived_cause) AS patient_count,
        count(*) AS denominator_count,
        coalesce(bit_xor(patient_mark(weak.patient_id)) FILTER (weak.perceived_cause = cause.perceived_cause), 0) AS patient_set
    FROM weak
    CROSS JOIN cause
    GROUP BY ALL
)
SELECT
    perceived_cause::VARCHAR AS perceived_cause,
    position::INTEGER AS position,
    patient_count::BIGINT AS patient_count,
    denominator_count::BIGINT AS denominator_count,
    (patient_count / denominator_count)::DOUBLE AS share_ratio,
    wilson_low(patient_count, denominator_count)::DOUBLE AS low_ratio,
    wilson_high(patient_count, denominator_count)::DOUBLE AS high_ratio,
    patient_set::UHUGEINT AS patient_set
FROM counted
