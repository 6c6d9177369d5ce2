-- How the latest scores of the window are distributed.
-- Grain: instrument_scale.  Inputs: marts.score_latest, marts.scale.
-- Mean with its 95 % interval: by the t distribution from 30 patients, else by the BCa bootstrap over patients; none below five
-- or where all scores are the same. More than 15 % at an end of the range: the scale cannot tell these patients apart.
WITH latest AS (
    SELECT
        score.*,
        scale.worse_sign,
        score.score_numerator::HUGEINT * scale.minimum_denominator = scale.minimum_numerator::HUGEINT * score.score_denominator AS is_at_minimum,
        score.score_numerator::HUGEINT * scale.maximum_denominator = scale.maximum_numerator::HUGEINT * score.score_denominator AS is_at_maximum
    FROM marts.score_latest AS score
    JOIN marts.scale AS scale ON scale.instrument_code = score.instrument_code AND scale.scale = score.scale
),
measured AS (
    SELECT
        instrument_code,
        series,
        scale,
        instrument_scale,
        any_value(worse_sign) AS worse_sign,
        count(*) AS patient_count,
        bit_xor(patient_mark(patient_id)) AS patient_set,
        avg(score) AS mean_score,
        stddev_samp(score) AS sd_score,
        quantile_cont(score, 0.25) AS quartile_1_score,
        quantile_cont(score, 0.5) AS median_score,
        quantile_cont(score, 0.75) AS quartile_3_score,
        list(score ORDER BY score) AS scores,
        count(*) FILTER (is_at_minimum) AS minimum_count,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_at_minimum), 0) AS minimum_set,
        count(*) FILTER (is_at_maximum) AS maximum_count,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_at_maximum), 0) AS maximum_set
    FROM latest
    GROUP BY ALL
),
resampled AS (
    SELECT *, bootstrap_mean(CASE WHEN patient_count BETWEEN 5 AND 29 THEN scores END) AS resampled_limits
    FROM measured
),
bounded AS (
    SELECT
        *,
        CASE WHEN patient_count >= 30 AND sd_score > 0 THEN t_quantile(0.975, patient_count - 1.0) * sd_score / sqrt(patient_count) END AS half_width
    FROM resampled
)
SELECT
    instrument_code,
    series,
    scale,
    instrument_scale,
    worse_sign,
    patient_count::BIGINT AS patient_count,
    mean_score::DOUBLE AS mean_score,
    CASE WHEN patient_count >= 30 THEN mean_score - half_width ELSE resampled_limits[1] END::DOUBLE AS low_score,
    CASE WHEN patient_count >= 30 THEN mean_score + half_width ELSE resampled_limits[2] END::DOUBLE AS high_score,
    sd_score::DOUBLE AS sd_score,
    quartile_1_score::DOUBLE AS quartile_1_score,
    median_score::DOUBLE AS median_score,
    quartile_3_score::DOUBLE AS quartile_3_score,
    minimum_count::BIGINT AS minimum_count,
    minimum_count > 0.15 * patient_count AS is_minimum_crowded,
    maximum_count::BIGINT AS maximum_count,
    maximum_count > 0.15 * patient_count AS is_maximum_crowded,
    patient_set::UHUGEINT AS patient_set,
    minimum_set::UHUGEINT AS minimum_set,
    maximum_set::UHUGEINT AS maximum_set
FROM bounded
