-- The patients on whom the figures of the loop stand.
-- Grain: loop_group.  Inputs: marts.loop_month, marts.loop_rank.
-- any: one month at least in which all three are known. Of these by the longest run of such months: run_16_up, run_6_to_15,
-- run_below_6. months_4_up: more than three such months, in a row or not; of these by pair: neither of the two is constant.
WITH loop_group(loop_group, position) AS (
    VALUES
        ('any', 1), ('run_16_up', 2), ('run_6_to_15', 3), ('run_below_6', 4), ('months_4_up', 5), ('fatigue_activity', 6),
        ('activity_weakness', 7), ('weakness_fatigue', 8)
),
run AS (
    SELECT patient_id, max(run_months) AS run_months FROM marts.loop_month GROUP BY ALL
),
member AS (
    SELECT 'any' AS loop_group, patient_id FROM run
    UNION ALL
    SELECT
        CASE WHEN run_months >= 16 THEN 'run_16_up' WHEN run_months >= 6 THEN 'run_6_to_15' ELSE 'run_below_6' END AS loop_group,
        patient_id
    FROM run
    UNION ALL
    SELECT 'months_4_up' AS loop_group, patient_id FROM marts.loop_rank
    UNION ALL
    SELECT 'fatigue_activity' AS loop_group, patient_id FROM marts.loop_rank WHERE fatigue_activity IS NOT NULL
    UNION ALL
    SELECT 'activity_weakness' AS loop_group, patient_id FROM marts.loop_rank WHERE activity_weakness IS NOT NULL
    UNION ALL
    SELECT 'weakness_fatigue' AS loop_group, patient_id FROM marts.loop_rank WHERE weakness_fatigue IS NOT NULL
)
SELECT
    loop_group.loop_group::VARCHAR AS loop_group,
    loop_group.position::INTEGER AS position,
    count(member.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM loop_group
LEFT JOIN member ON member.loop_group = loop_group.loop_group
GROUP BY ALL
