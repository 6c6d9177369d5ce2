-- The latest score of each patient in the window.
-- Grain: patient_id, instrument_scale.  Inputs: marts.score.
SELECT
    score.patient_id,
    score.instrument_code,
    score.series,
    score.scale,
    score.instrument_scale,
    score.assessed_on,
    score.score_numerator,
    score.score_denominator,
    score.score
FROM marts.score AS score
JOIN marts.as_of AS as_of ON score.assessed_on >= as_of.window_from_on
QUALIFY row_number() OVER (PARTITION BY score.patient_id, score.instrument_scale ORDER BY score.assessed_on DESC) = 1
