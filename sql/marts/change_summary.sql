-- Change of scores around the start of a treatment, with what is needed to read it.
-- Grain: treatment_code, instrument_scale, follow_up_days, part.
-- Inputs: marts.change_pair, marts.change_reference, marts.change_median.
-- Parts: `change` (baseline to follow-up), `without_co_start` (the same of those who started nothing else within 30 days),
-- `expected` (what the reference patients of the same course would lead one to expect, by the same baselines), `beyond`
-- (change less what was expected, patient by patient), `before` (up to the baseline, over as long a time before the start).
-- Intervals, 95 %: by the t distribution from 30 patients, else by the BCa bootstrap over patients; none below five or where
-- all changes are the same. The error of what is expected is not in them. A course with fewer than 30 reference patients takes
-- the reference of all courses together. srm: mean change over its standard deviation.
WITH paired AS (
    SELECT
        pair.*,
        coalesce(own.mean_2 - own.mean_1, every.mean_2 - every.mean_1) - (1 - coalesce(own.slope, every.slope))
            * (pair.baseline_score - coalesce(own.mean_1, every.mean_1)) AS expected_score
    FROM marts.change_pair AS pair
    LEFT JOIN marts.change_reference AS own
        ON own.instrument_scale = pair.instrument_scale
        AND own.follow_up_days = pair.follow_up_days
        AND own.ms_course = pair.ms_course
        AND own.patient_count >= 30
        AND own.slope IS NOT NULL
    LEFT JOIN marts.change_reference AS every
        ON every.instrument_scale = pair.instrument_scale
        AND every.follow_up_days = pair.follow_up_days
        AND every.ms_course = 'all'
        AND every.patient_count >= 30
        AND every.slope IS NOT NULL
    WHERE pair.change_score IS NOT NULL
),
part AS (
    SELECT treatment_code, instrument_scale, follow_up_days, 'change' AS part, change_score AS score FROM paired
    UNION ALL
    SELECT treatment_code, instrument_scale, follow_up_days, 'without_co_start' AS part, change_score AS score
    FROM paired
    WHERE NOT has_co_start
    UNION ALL
    SELECT treatment_code, instrument_scale, follow_up_days, 'expected' AS part, expected_score AS score FROM paired
    UNION ALL
    SELECT treatment_code, instrument_scale, follow_up_days, 'beyond' AS part, change_score - expected_score AS score FROM paired
    UNION ALL
    SELECT treatment_code, instrument_scale, follow_up_days, 'before' AS part, before_change_score AS score
    FROM paired
    WHERE before_change_score IS NOT NULL
),
measured AS (
    SELECT
        treatment_code,
        instrument_scale,
        follow_up_days,
        part,
        count(*) AS patient_count,
        -- Without a reference there is nothing expected, of nobody.
        CASE WHEN count(score) = count(*) THEN avg(score) END AS mean_score,
        CASE WHEN count(score) = count(*) THEN stddev_samp(score) END AS sd_score,
        list(score ORDER BY score) AS scores
    FROM part
    GROUP BY ALL
),
resampled AS (
    SELECT *, bootstrap_mean(CASE WHEN patient_count BETWEEN 5 AND 29 AND mean_score IS NOT NULL THEN scores END) AS resampled_limits
    FROM measured
),
bounded AS (
    SELECT
        *,
        CASE WHEN patient_count >= 30 AND sd_score > 0 THEN t_quantile(0.975, patient_count - 1.0) * sd_score / sqrt(patient_count) END AS half_width
    FROM resampled
)
SELECT
    bounded.treatment_code,
    bounded.instrument_scale,
    bounded.follow_up_days,
    bounded.part::VARCHAR AS part,
    bounded.patient_count::BIGINT AS patient_count,
    bounded.mean_score::DOUBLE AS mean_score,
    CASE WHEN patient_count >= 30 THEN mean_score - half_width ELSE resampled_limits[1] END::DOUBLE AS low_score,
    CASE WHEN patient_count >= 30 THEN mean_score + half_width ELSE resampled_limits[2] END::DOUBLE AS high_score,
    bounded.sd_score::DOUBLE AS sd_score,
    CASE WHEN part = 'change' AND sd_score > 0 THEN mean_score / sd_score END::DOUBLE AS srm,
    CASE WHEN part = 'change' THEN middle.median_change END::DOUBLE AS median_change
FROM bounded
LEFT JOIN marts.change_median AS middle
    ON middle.treatment_code = bounded.treatment_code
    AND middle.instrument_scale = bounded.instrument_scale
    AND middle.follow_up_days = bounded.follow_up_days
