-- Of the patients who counted their falls over some time in the window: how many fell, by course of MS with nrSPMS apart.
-- Grain: course, fall_group.  Inputs: marts.fall_exposure, marts.patient_profile, marts.course.
-- `course` is `all` for everyone. `reporting` is the denominator of `none`, `once`, `twice_or_more` and `any`; `injurious`, at least one fall
-- that caused an injury, is a part of `any`. How often depends on how long: marts.fall_rate divides by the time.
WITH fall_group(fall_group, lowest, highest, position) AS (
    VALUES
        ('reporting', 0, NULL, 1), ('none', 0, 0, 2), ('once', 1, 1, 3), ('twice_or_more', 2, NULL, 4), ('any', 1, NULL, 5),
        ('injurious', 1, NULL, 6)
),
member AS (
    SELECT course.course, exposure.patient_id, exposure.fall_count, coalesce(exposure.injurious_fall_count, 0) AS injurious_fall_count
    FROM marts.fall_exposure AS exposure
    JOIN marts.patient_profile AS profile ON profile.patient_id = exposure.patient_id
    JOIN marts.course AS course ON course.course_group = profile.course_group
    UNION ALL
    SELECT 'all' AS course, patient_id, fall_count, coalesce(injurious_fall_count, 0) AS injurious_fall_count FROM marts.fall_exposure
),
listed AS (
    SELECT DISTINCT
        course.course, course.position AS course_position, fall_group.fall_group, fall_group.lowest, fall_group.highest, fall_group.position
    FROM (SELECT course, position FROM marts.course UNION ALL SELECT 'all', 0) AS course
    CROSS JOIN fall_group
),
counted AS (
    SELECT
        listed.course,
        listed.fall_group,
        member.patient_id
    FROM listed
    JOIN member
        ON member.course = listed.course
        AND CASE listed.fall_group WHEN 'injurious' THEN member.injurious_fall_count ELSE member.fall_count END >= listed.lowest
        AND (listed.highest IS NULL OR member.fall_count <= listed.highest)
)
SELECT
    listed.course::VARCHAR AS course,
    listed.course_position::INTEGER AS course_position,
    listed.fall_group::VARCHAR AS fall_group,
    listed.position::INTEGER AS position,
    count(counted.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(counted.patient_id)) FILTER (counted.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM listed
LEFT JOIN counted ON counted.course = listed.course AND counted.fall_group = listed.fall_group
GROUP BY ALL
