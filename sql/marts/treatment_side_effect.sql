-- Which side effects takers name, of those whose latest word is that they have any. One may name several.
-- Grain: source_family, treatment_code, side_effect_code.  Inputs: marts.treatment_experience.
-- A side effect named by nobody has no row: it says nothing of whether there is one.
WITH named AS (
    SELECT source_family, treatment_code, patient_id, unnest(side_effect_codes) AS side_effect_code
    FROM marts.treatment_experience
    WHERE aspect = 'side_effect_severity'
)
SELECT
    source_family,
    treatment_code,
    side_effect_code::VARCHAR AS side_effect_code,
    count(*)::BIGINT AS patient_count,
    bit_xor(patient_mark(patient_id))::UHUGEINT AS patient_set
FROM named
GROUP BY ALL
