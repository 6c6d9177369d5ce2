-- Of those whose latest report in the window says muscle weakness: who blames inactivity, by how active they are.
-- Grain: activity_third, cause_group.  Inputs: marts.symptom_status, core.consented_weekly_activity, marts.as_of.
-- Thirds of those whose active minutes are known, by their mean minutes a week in the window; ties by the patient's id.
-- `trend_ratio`: by how much the share changes from a third to the next (Cochran-Armitage: slope of the share over the thirds,
-- its standard error as if there were no trend). The same in each row.
WITH week AS (
    SELECT activity.patient_id, activity.week_starting_on, activity.active_minutes
    FROM core.consented_weekly_activity AS activity
    JOIN marts.as_of AS as_of ON activity.week_starting_on + 3 BETWEEN as_of.window_from_on AND as_of.as_of_on
    WHERE activity.active_minutes IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY activity.patient_id, activity.week_starting_on
        ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
),
active AS (
    SELECT patient_id, avg(active_minutes) AS active_minutes FROM week GROUP BY ALL
),
weak AS (
    SELECT
        status.patient_id,
        status.perceived_cause IN ('indirect_deconditioning', 'both') AS is_indirect,
        ntile(3) OVER (ORDER BY active.active_minutes, status.patient_id) AS third
    FROM marts.symptom_status AS status
    JOIN active ON active.patient_id = status.patient_id
    WHERE status.symptom_code = 'muscle_weakness' AND status.severity > 0
),
trend AS (
    SELECT
        count(*) AS n,
        avg(is_indirect::INTEGER) AS share,
        regr_slope(is_indirect::INTEGER, third) AS slope,
        regr_sxx(third, third) AS spread
    FROM weak
),
activity_third(activity_third, lowest, highest, position) AS (
    VALUES ('any', 1, 3, 1), ('low', 1, 1, 2), ('middle', 2, 2, 3), ('high', 3, 3, 4)
),
cause_group(cause_group, position) AS (
    VALUES ('weak', 1), ('blames_inactivity', 2)
),
counted AS (
    SELECT
        activity_third.activity_third,
        cause_group.cause_group,
        10 * activity_third.position + cause_group.position AS position,
        count(*) FILTER (cause_group.cause_group = 'weak' OR weak.is_indirect) AS patient_count,
        coalesce(bit_xor(patient_mark(weak.patient_id)) FILTER (cause_group.cause_group = 'weak' OR weak.is_indirect), 0) AS patient_set
    FROM weak
    JOIN activity_third ON weak.third BETWEEN activity_third.lowest AND activity_third.highest
    CROSS JOIN cause_group
    GROUP BY ALL
)
SELECT
    activity_third::VARCHAR AS activity_third,
    cause_group::VARCHAR AS cause_group,
    position::INTEGER AS position,
    patient_count::BIGINT AS patient_count,
    patient_set::UHUGEINT AS patient_set,
    trend.slope::DOUBLE AS trend_ratio,
    (trend.slope - 1.959964 * sqrt(trend.share * (1 - trend.share) / nullif(trend.spread, 0)))::DOUBLE AS trend_low_ratio,
    (trend.slope + 1.959964 * sqrt(trend.share * (1 - trend.share) / nullif(trend.spread, 0)))::DOUBLE AS trend_high_ratio
FROM counted
CROSS JOIN trend
