-- What goes with muscle weakness: other symptoms, falls and difficulties, by how weak patients are.
-- Grain: kind, beside, weakness_group.  Inputs: marts.symptom_status, marts.fall_exposure, marts.activity_status.
-- `asked_count` patients of the group reported on it in the window, `with_count` of them have it: a symptom of any severity, a fall at
-- least, some difficulty or more. Groups are by the latest report on weakness: `moderate_or_severe`, `none_or_mild`,
-- `not_reported`. Nothing if nobody reported on weakness.
WITH listed(kind, beside, position) AS (
    VALUES
        ('symptom', 'fatigue', 1), ('falls', 'falls', 2), ('symptom', 'posture', 3), ('symptom', 'back_pain', 4),
        ('symptom', 'bladder', 5), ('symptom', 'bowel', 6), ('symptom', 'frustration', 7), ('symptom', 'low_self_confidence', 8),
        ('activity', 'walking', 11), ('activity', 'lifting', 12), ('activity', 'dressing', 13), ('activity', 'open_jar', 14),
        ('activity', 'phone_use', 15), ('activity', 'independence', 16)
),
weakness_group(weakness_group, group_position) AS (
    VALUES ('moderate_or_severe', 1), ('none_or_mild', 2), ('not_reported', 3)
),
outcome AS (
    SELECT 'symptom' AS kind, symptom_code AS beside, patient_id, severity > 0 AS has_it FROM marts.symptom_status
    UNION ALL
    SELECT 'falls' AS kind, 'falls' AS beside, patient_id, fall_count > 0 AS has_it FROM marts.fall_exposure
    UNION ALL
    SELECT 'activity' AS kind, activity_code AS beside, patient_id, difficulty >= 2 AS has_it FROM marts.activity_status
),
member AS (
    SELECT
        outcome.kind,
        outcome.beside,
        outcome.patient_id,
        outcome.has_it,
        CASE
            WHEN weakness.severity >= 2 THEN 'moderate_or_severe'
            WHEN weakness.severity < 2 THEN 'none_or_mild'
            ELSE 'not_reported'
        END AS weakness_group
    FROM outcome
    SEMI JOIN listed ON listed.kind = outcome.kind AND listed.beside = outcome.beside
    LEFT JOIN marts.symptom_status AS weakness
        ON weakness.patient_id = outcome.patient_id AND weakness.symptom_code = 'muscle_weakness'
),
present AS (
    SELECT DISTINCT kind, beside
    FROM member
    WHERE EXISTS (FROM marts.symptom_status WHERE symptom_code = 'muscle_weakness')
)
SELECT
    listed.kind::VARCHAR AS kind,
    listed.beside::VARCHAR AS beside,
    listed.position::INTEGER AS position,
    weakness_group.weakness_group::VARCHAR AS weakness_group,
    weakness_group.group_position::INTEGER AS group_position,
    count(member.patient_id)::BIGINT AS asked_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.patient_id IS NOT NULL), 0)::UHUGEINT AS asked_set,
    (count(member.patient_id) FILTER (member.has_it))::BIGINT AS with_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.has_it), 0)::UHUGEINT AS with_set
FROM listed
JOIN present ON present.kind = listed.kind AND present.beside = listed.beside
CROSS JOIN weakness_group
LEFT JOIN member
    ON member.kind = listed.kind AND member.beside = listed.beside AND member.weakness_group = weakness_group.weakness_group
GROUP BY ALL
