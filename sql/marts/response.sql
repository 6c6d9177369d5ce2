-- Of the patients of the report, by age band, sex and course of MS: how many reported anything in the window.
-- Grain: dimension, value.  Inputs: marts.population (which values), marts.patient, marts.participant.
WITH member AS (
    SELECT patient.*
    FROM marts.patient AS patient
    SEMI JOIN marts.participant AS participant ON participant.patient_id = patient.patient_id
),
counted AS (
    SELECT 'age_band' AS dimension, age_band AS value, patient_id FROM member
    UNION ALL
    SELECT 'sex' AS dimension, sex AS value, patient_id FROM member
    UNION ALL
    SELECT 'ms_course' AS dimension, ms_course AS value, patient_id FROM member
)
SELECT
    population.dimension,
    population.value,
    population.position,
    count(counted.patient_id)::BIGINT AS patient_count,
    population.patient_count AS denominator_count,
    coalesce(bit_xor(patient_mark(counted.patient_id)) FILTER (counted.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM marts.population AS population
LEFT JOIN counted ON counted.dimension = population.dimension AND counted.value = population.value
WHERE population.dimension IN ('age_band', 'sex', 'ms_course')
GROUP BY ALL
