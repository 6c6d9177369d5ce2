-- The patients behind the change of a score around the start of a treatment, in groups that are parts of one another.
-- Grain: treatment_code, instrument_scale, follow_up_days, change_group.  Inputs: marts.change_pair.
-- baseline > due > both > before, without_co_start, mid_* and mdc_* (improved, stable, worsened); no_room_*: so near to the end
-- of the scale that no such change was possible; room_not_*: it was possible and did not come. Of those who were due and have no
-- second score, lost_reporting still reported something, lost_silent nothing any more.
-- `baseline` does not depend on the follow-up. Scores: quartiles of the baseline of everyone who has one, and of the follow-up.
WITH change_group(change_group, position) AS (
    VALUES
        ('baseline', 1), ('due', 2), ('both', 3), ('before', 4), ('without_co_start', 5),
        ('mid_improved', 6), ('mid_stable', 7), ('mid_worsened', 8), ('no_room_improved', 9), ('room_not_improved', 10),
        ('no_room_worsened', 11), ('room_not_worsened', 12), ('mdc_improved', 13), ('mdc_stable', 14), ('mdc_worsened', 15),
        ('lost_reporting', 16), ('lost_silent', 17)
),
member AS (
    SELECT
        pair.*,
        change_group.change_group,
        change_group.position,
        CASE change_group.change_group WHEN 'baseline' THEN pair.baseline_score WHEN 'both' THEN pair.follow_score END AS point_score,
        CASE
            WHEN change_group.change_group = 'baseline' THEN true
            WHEN change_group.change_group = 'due' THEN pair.is_due
            WHEN change_group.change_group LIKE 'lost%' THEN pair.is_due AND pair.change_score IS NULL AND pair.is_reporting = (change_group.change_group = 'lost_reporting')
            WHEN pair.change_score IS NULL THEN false
            WHEN change_group.change_group = 'both' THEN true
            WHEN change_group.change_group = 'before' THEN pair.before_change_score IS NOT NULL
            WHEN change_group.change_group = 'without_co_start' THEN NOT pair.has_co_start
            WHEN change_group.change_group = 'no_room_improved' THEN NOT pair.can_improve
            WHEN change_group.change_group = 'room_not_improved' THEN pair.can_improve AND pair.mid_response <> 'improved'
            WHEN change_group.change_group = 'no_room_worsened' THEN NOT pair.can_worsen
            WHEN change_group.change_group = 'room_not_worsened' THEN pair.can_worsen AND pair.mid_response <> 'worsened'
            WHEN change_group.change_group LIKE 'mid%' THEN coalesce('mid_' || pair.mid_response = change_group.change_group, false)
            ELSE coalesce('mdc_' || pair.mdc_response = change_group.change_group, false)
        END AS is_member
    FROM marts.change_pair AS pair
    CROSS JOIN change_group
    -- What no rule speaks of has no groups.
    JOIN marts.scale AS scale ON scale.instrument_code = pair.instrument_code AND scale.scale = pair.scale
    WHERE CASE
        WHEN change_group.change_group LIKE 'mdc%' THEN scale.worse_sign IS NOT NULL AND scale.mdc_numerator IS NOT NULL
        WHEN change_group.change_group LIKE 'mid%' OR change_group.change_group LIKE '%room%'
            THEN scale.worse_sign IS NOT NULL AND scale.mid_improved_numerator IS NOT NULL AND scale.mid_worsened_numerator IS NOT NULL
        ELSE true
    END
)
SELECT
    treatment_code,
    instrument_scale,
    follow_up_days,
    change_group::VARCHAR AS change_group,
    position::INTEGER AS position,
    count(*) FILTER (is_member)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_member), 0)::UHUGEINT AS patient_set,
    quantile_cont(point_score, [0.25, 0.5, 0.75]) FILTER (is_member)::DOUBLE[] AS quartiles
FROM member
GROUP BY ALL
