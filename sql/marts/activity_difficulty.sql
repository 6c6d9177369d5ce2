-- Of the patients who reported on an activity of daily life in the window: how difficult it is for them.
-- Grain: activity_code, difficulty_group.  Inputs: marts.activity_status.
-- `reporting` is the denominator of the others; `some_or_more` overlaps three of the five levels.
WITH difficulty_group(difficulty_group, lowest, highest, position) AS (
    VALUES
        ('reporting', 0, 4, 1), ('none', 0, 0, 2), ('a_little', 1, 1, 3), ('some', 2, 2, 4), ('a_lot', 3, 3, 5),
        ('cannot_do', 4, 4, 6), ('some_or_more', 2, 4, 7)
)
SELECT
    status.activity_code,
    difficulty_group.difficulty_group::VARCHAR AS difficulty_group,
    difficulty_group.position::INTEGER AS position,
    (count(*) FILTER (status.difficulty BETWEEN lowest AND highest))::BIGINT AS patient_count,
    count(*)::BIGINT AS denominator_count,
    coalesce(bit_xor(patient_mark(status.patient_id)) FILTER (status.difficulty BETWEEN lowest AND highest), 0)::UHUGEINT AS patient_set
FROM marts.activity_status AS status
CROSS JOIN difficulty_group
GROUP BY ALL
