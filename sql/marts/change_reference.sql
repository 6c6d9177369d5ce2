-- How a score goes on, as a rule, in patients who are not just starting something: what a start is compared with.
-- Grain: instrument_scale, follow_up_days, ms_course ('all': of every course).
-- Inputs: marts.score, marts.change_course_start.
-- A pair is a score and the one nearest to 90, 180 or 365 days later, within the same limits as around a start, without a
-- start of any treatment in the 30 days before and after its first score. Who starts something later stays in: to drop them
-- would select by what came after. Each patient weighs one, over however many pairs. The expected later score is
-- mean_2 + slope * (y - mean_1), where slope = r * sd_2 / sd_1: the regression to the mean and the drift of the course.
WITH follow_up(follow_up_days, from_days, to_days) AS (
    VALUES (90, 45, 135), (180, 136, 270), (365, 271, 450)
),
started AS (
    SELECT patient_id, started_on FROM marts.change_course_start WHERE is_dated
),
first AS (
    SELECT score.patient_id, score.ms_course, score.instrument_scale, score.assessed_on, score.score
    FROM marts.score AS score
    ANTI JOIN started
        ON started.patient_id = score.patient_id
        AND started.started_on BETWEEN score.assessed_on - 30 AND score.assessed_on + 30
),
-- Of two as near the earlier one. No ASOF join: among tables that are not committed yet it compares every row with every other.
pair AS (
    SELECT
        first.patient_id,
        first.instrument_scale,
        first.ms_course,
        follow_up.follow_up_days,
        first.assessed_on,
        any_value(first.score) AS score_1,
        arg_min(
            later.score,
            2 * abs(later.assessed_on - first.assessed_on - follow_up.follow_up_days)
            + (later.assessed_on - first.assessed_on > follow_up.follow_up_days)::INTEGER
        ) AS score_2
    FROM first
    JOIN marts.score AS later
        ON later.patient_id = first.patient_id
        AND later.instrument_scale = first.instrument_scale
        AND later.assessed_on BETWEEN first.assessed_on + 45 AND first.assessed_on + 450
    JOIN follow_up ON later.assessed_on - first.assessed_on BETWEEN follow_up.from_days AND follow_up.to_days
    GROUP BY ALL
),
weighted AS (
    SELECT *, 1.0 / count(*) OVER (PARTITION BY patient_id, instrument_scale, follow_up_days) AS weight
    FROM pair
),
grouped AS (
    SELECT patient_id, instrument_scale, follow_up_days, ms_course, score_1, score_2, weight FROM weighted
    UNION ALL
    SELECT patient_id, instrument_scale, follow_up_days, 'all' AS ms_course, score_1, score_2, weight FROM weighted
),
measured AS (
    SELECT
        instrument_scale,
        follow_up_days,
        ms_course,
        count(DISTINCT patient_id) AS patient_count,
        sum(weight * score_1) / sum(weight) AS mean_1,
        sum(weight * score_2) / sum(weight) AS mean_2,
        sum(weight * score_1 * score_1) / sum(weight) - mean_1 * mean_1 AS variance_1,
        sum(weight * score_2 * score_2) / sum(weight) - mean_2 * mean_2 AS variance_2,
        sum(weight * score_1 * score_2) / sum(weight) - mean_1 * mean_2 AS covariance
    FROM grouped
    GROUP BY ALL
)
SELECT
    instrument_scale::VARCHAR AS instrument_scale,
    follow_up_days::INTEGER AS follow_up_days,
    ms_course::VARCHAR AS ms_course,
    patient_count::BIGINT AS patient_count,
    mean_1::DOUBLE AS mean_1,
    mean_2::DOUBLE AS mean_2,
    sqrt(greatest(variance_1, 0))::DOUBLE AS sd_1,
    sqrt(greatest(variance_2, 0))::DOUBLE AS sd_2,
    -- Differences of rounding are no spread.
    CASE WHEN variance_1 > 1e-9 AND variance_2 > 1e-9 THEN covariance / sqrt(variance_1 * variance_2) END::DOUBLE AS correlation,
    CASE WHEN variance_1 > 1e-9 THEN covariance / variance_1 END::DOUBLE AS slope
FROM measured
