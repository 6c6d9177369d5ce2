-- Weakness and fatigue by course of MS with nrSPMS apart: how severe in the latest report of the window, of those who reported on it.
-- Grain: symptom_code, course, severity_group.  Inputs: marts.symptom_status, marts.patient_profile, marts.course.
WITH severity_group(severity_group, lowest, highest, position) AS (
    VALUES ('reporting', 0, 3, 1), ('none', 0, 0, 2), ('mild', 1, 1, 3), ('any', 1, 3, 4), ('moderate_or_severe', 2, 3, 5)
),
member AS (
    SELECT course.course, status.symptom_code, status.severity, status.patient_id
    FROM marts.symptom_status AS status
    JOIN marts.patient_profile AS profile ON profile.patient_id = status.patient_id
    JOIN marts.course AS course ON course.course_group = profile.course_group
    WHERE status.symptom_code IN ('muscle_weakness', 'fatigue')
),
listed AS (
    SELECT DISTINCT
        symptom.symptom_code, course.course, course.position AS course_position,
        severity_group.severity_group, severity_group.lowest, severity_group.highest, severity_group.position
    FROM (SELECT DISTINCT symptom_code FROM member) AS symptom
    CROSS JOIN marts.course AS course
    CROSS JOIN severity_group
)
SELECT
    listed.symptom_code::VARCHAR AS symptom_code,
    listed.course,
    listed.course_position::INTEGER AS course_position,
    listed.severity_group::VARCHAR AS severity_group,
    listed.position::INTEGER AS position,
    count(member.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM listed
LEFT JOIN member
    ON member.symptom_code = listed.symptom_code
    AND member.course = listed.course
    AND member.severity BETWEEN listed.lowest AND listed.highest
GROUP BY ALL
