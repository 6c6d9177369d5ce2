-- How patients get about: nrSPMS, the courses known not to be nrSPMS, and those of whom that is not known.
-- Grain: course, ambulation.  Inputs: marts.patient_profile, marts.course.
-- No finer: of small courses few are left for each way of getting about, and they would hide the courses themselves.
WITH way(ambulation, position) AS (
    VALUES ('unaided', 1), ('one_aid', 2), ('two_aids', 3), ('wheelchair_or_bed', 4), ('unknown', 5)
),
member AS (
    SELECT
        course.course,
        CASE WHEN profile.ambulation IN ('wheelchair', 'bed') THEN 'wheelchair_or_bed' ELSE profile.ambulation END AS ambulation,
        profile.patient_id
    FROM marts.patient_profile AS profile
    JOIN marts.course AS course ON course.course_group = profile.course_group
    WHERE course.course IN ('nrspms', 'other_courses', 'not_known')
),
listed AS (
    SELECT DISTINCT course.course, course.position AS course_position, way.ambulation, way.position
    FROM marts.course AS course
    CROSS JOIN way
    WHERE course.course IN ('nrspms', 'other_courses', 'not_known')
)
SELECT
    listed.course,
    listed.course_position::INTEGER AS course_position,
    listed.ambulation::VARCHAR AS ambulation,
    listed.position::INTEGER AS position,
    count(member.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM listed
LEFT JOIN member ON member.course = listed.course AND member.ambulation = listed.ambulation
GROUP BY ALL
