-- Scales of all instruments: direction, range, and from where a change counts.
-- Grain: instrument_code, scale.  Inputs: core.instrument_scale, core.instrument_threshold (rules, no records).
-- `worse_sign` is 1 where higher is worse, -1 where higher is better, NULL where nobody says. Thresholds are fractions; a
-- ratio is of the patient's own earlier score. A minimal detectable change counts both ways.
WITH listed AS (
    SELECT DISTINCT
        instrument_code,
        scale,
        direction,
        unit,
        minimum_numerator,
        minimum_denominator,
        maximum_numerator,
        maximum_denominator
    FROM core.instrument_scale
),
threshold AS (
    SELECT
        instrument_code,
        scale,
        max(numerator) FILTER (threshold = 'mid_improvement') AS mid_improved_numerator,
        max(denominator) FILTER (threshold = 'mid_improvement') AS mid_improved_denominator,
        max(numerator) FILTER (threshold = 'mid_worsening') AS mid_worsened_numerator,
        max(denominator) FILTER (threshold = 'mid_worsening') AS mid_worsened_denominator,
        coalesce(bool_or(is_ratio) FILTER (threshold LIKE 'mid%'), false) AS is_mid_ratio,
        max(numerator) FILTER (threshold = 'mdc') AS mdc_numerator,
        max(denominator) FILTER (threshold = 'mdc') AS mdc_denominator,
        max(numerator) FILTER (threshold = 'confirmed_worsening') AS confirmed_numerator,
        max(denominator) FILTER (threshold = 'confirmed_worsening') AS confirmed_denominator
    FROM core.instrument_threshold
    GROUP BY ALL
)
SELECT
    listed.instrument_code,
    listed.scale,
    CASE listed.direction WHEN 'higher_worse' THEN 1 WHEN 'higher_better' THEN -1 END::INTEGER AS worse_sign,
    listed.unit,
    listed.minimum_numerator,
    listed.minimum_denominator,
    (listed.minimum_numerator / listed.minimum_denominator)::DOUBLE AS minimum,
    listed.maximum_numerator,
    listed.maximum_denominator,
    (listed.maximum_numerator / listed.maximum_denominator)::DOUBLE AS maximum,
    threshold.* EXCLUDE (instrument_code, scale)
FROM listed
LEFT JOIN threshold ON threshold.instrument_code = listed.instrument_code AND threshold.scale = listed.scale
