-- Who reports, further: patients by course with nrSPMS apart, walking, years since, and treatment of the disease.
-- Grain: dimension, value.  Inputs: marts.patient_profile, marts.course.
-- Every value of a closed list has a row, so that a zero can be told from what is not there. `wheelchair_or_bed`
-- takes two values together, `other_courses` three. Years since progression began are of
-- those with SPMS only, classes of those with a current disease-modifying treatment.
WITH band(value, position) AS (
    VALUES ('0-4', 1), ('5-9', 2), ('10-19', 3), ('20-29', 4), ('30+', 5), ('unknown', 6)
),
listed(dimension, value, position) AS (
    SELECT DISTINCT 'course' AS dimension, course AS value, position FROM marts.course
    UNION ALL
    SELECT dimension, value, position
    FROM band
    CROSS JOIN (VALUES ('years_since_onset'), ('years_since_diagnosis'), ('years_since_progression')) AS named(dimension)
    UNION ALL
    SELECT dimension, value, position
    FROM (
        VALUES
            ('ambulation', 'unaided', 1), ('ambulation', 'one_aid', 2), ('ambulation', 'two_aids', 3),
            ('ambulation', 'wheelchair_or_bed', 4), ('ambulation', 'wheelchair', 5), ('ambulation', 'bed', 6),
            ('ambulation', 'unknown', 7),
            ('dmt_status', 'current', 1), ('dmt_status', 'past', 2), ('dmt_status', 'not_known', 3), ('dmt_status', 'none_reported', 4),
            ('dmt_class', 'anti_cd20', 1), ('dmt_class', 'anti_integrin', 2), ('dmt_class', 'anti_cd52', 3), ('dmt_class', 's1p', 4),
            ('dmt_class', 'fumarate', 5), ('dmt_class', 'glatiramer', 6), ('dmt_class', 'interferon', 7), ('dmt_class', 'btk', 8),
            ('dmt_class', 'other', 9), ('dmt_class', 'several', 10)
    ) AS closed(dimension, value, position)
),
counted AS (
    SELECT 'course' AS dimension, course.course AS value, profile.patient_id
    FROM marts.patient_profile AS profile
    JOIN marts.course AS course ON course.course_group = profile.course_group
    UNION ALL
    SELECT 'ambulation' AS dimension, ambulation AS value, patient_id FROM marts.patient_profile
    UNION ALL
    SELECT 'ambulation' AS dimension, 'wheelchair_or_bed' AS value, patient_id
    FROM marts.patient_profile
    WHERE ambulation IN ('wheelchair', 'bed')
    UNION ALL
    SELECT 'years_since_onset' AS dimension, onset_band AS value, patient_id FROM marts.patient_profile
    UNION ALL
    SELECT 'years_since_diagnosis' AS dimension, diagnosis_band AS value, patient_id FROM marts.patient_profile
    UNION ALL
    SELECT 'years_since_progression' AS dimension, progression_band AS value, patient_id
    FROM marts.patient_profile
    WHERE progression_band IS NOT NULL
    UNION ALL
    SELECT 'dmt_status' AS dimension, dmt_status AS value, patient_id FROM marts.patient_profile
    UNION ALL
    SELECT 'dmt_class' AS dimension, dmt_class AS value, patient_id FROM marts.patient_profile WHERE dmt_class IS NOT NULL
)
SELECT
    listed.dimension::VARCHAR AS dimension,
    listed.value::VARCHAR AS value,
    listed.position::INTEGER AS position,
    count(counted.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(counted.patient_id)) FILTER (counted.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM listed
LEFT JOIN counted ON counted.dimension = listed.dimension AND counted.value = listed.value
GROUP BY ALL
