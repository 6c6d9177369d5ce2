-- Two symptoms of one patient: those whose latest reports in the window say that both are there.
-- Grain: symptom_code, co_symptom_code: every pair in both orders.  Inputs: marts.symptom_status.
-- Pairs in which one symptom is among the three that most often go with the other; ties by code. Not reported is not there. Not of
-- muscle weakness, which goes with most: what goes with it stands in marts.beside_weakness.
WITH felt AS (
    SELECT patient_id, symptom_code FROM marts.symptom_status WHERE severity > 0 AND symptom_code <> 'muscle_weakness'
),
pair AS (
    SELECT
        one.symptom_code,
        other.symptom_code AS co_symptom_code,
        count(*) AS patient_count,
        bit_xor(patient_mark(one.patient_id)) AS patient_set
    FROM felt AS one
    JOIN felt AS other ON other.patient_id = one.patient_id AND other.symptom_code <> one.symptom_code
    GROUP BY ALL
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY symptom_code ORDER BY patient_count DESC, co_symptom_code) AS rank FROM pair
)
SELECT
    ranked.symptom_code,
    ranked.co_symptom_code,
    ranked.rank::INTEGER AS position,
    ranked.patient_count::BIGINT AS patient_count,
    ranked.patient_set::UHUGEINT AS patient_set
FROM ranked
JOIN ranked AS reverse ON reverse.symptom_code = ranked.co_symptom_code AND reverse.co_symptom_code = ranked.symptom_code
WHERE ranked.rank <= 3 OR reverse.rank <= 3
