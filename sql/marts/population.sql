-- Who reports: patients by age band, sex, course of MS, nrSPMS within SPMS, and family of sources.
-- Grain: dimension, value.  Inputs: marts.patient.
-- Every value of a closed list has a row, so that a zero can be told from what is not there. nrSPMS is a part of SPMS.
WITH listed(dimension, value, position) AS (
    VALUES
        ('age_band', 'under 18', 1), ('age_band', '18-29', 2), ('age_band', '30-39', 3), ('age_band', '40-49', 4),
        ('age_band', '50-59', 5), ('age_band', '60-69', 6), ('age_band', '70-79', 7), ('age_band', '80-89', 8),
        ('age_band', '90+', 9), ('age_band', 'unknown', 10),
        ('sex', 'female', 1), ('sex', 'male', 2), ('sex', 'other', 3), ('sex', 'unknown', 4),
        ('ms_course', 'cis', 1), ('ms_course', 'rrms', 2), ('ms_course', 'spms', 3), ('ms_course', 'ppms', 4),
        ('ms_course', 'prms', 5), ('ms_course', 'unspecified', 6), ('ms_course', 'unknown', 7),
        ('nrspms', 'yes', 1), ('nrspms', 'no', 2), ('nrspms', 'unknown', 3)
),
counted AS (
    SELECT 'age_band' AS dimension, age_band AS value, patient_id FROM marts.patient
    UNION ALL
    SELECT 'sex' AS dimension, sex AS value, patient_id FROM marts.patient
    UNION ALL
    SELECT 'ms_course' AS dimension, ms_course AS value, patient_id FROM marts.patient
    UNION ALL
    SELECT 'nrspms' AS dimension, nrspms AS value, patient_id FROM marts.patient WHERE ms_course = 'spms'
    UNION ALL
    SELECT 'source_family' AS dimension, source_family AS value, patient_id FROM marts.patient
)
SELECT
    coalesce(listed.dimension, counted.dimension)::VARCHAR AS dimension,
    coalesce(listed.value, counted.value)::VARCHAR AS value,
    coalesce(listed.position, 99)::INTEGER AS position,
    count(counted.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(counted.patient_id)) FILTER (counted.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM listed
FULL JOIN counted ON counted.dimension = listed.dimension AND counted.value = listed.value
GROUP BY ALL
