-- The latest scores of the window by the named parts of the scale's range; `unnamed` is the part without a name.
-- Grain: instrument_scale, band.  Inputs: marts.score_latest, marts.scale, core.instrument_band (rules, no records).
WITH bounded AS (
    SELECT
        band.*,
        scale.minimum,
        lag(band.below_numerator / band.below_denominator, 1, scale.minimum) OVER (
            PARTITION BY band.instrument_code, band.scale ORDER BY band.least_numerator / band.least_denominator
        ) AS begins_at
    FROM core.instrument_band AS band
    JOIN marts.scale AS scale ON scale.instrument_code = band.instrument_code AND scale.scale = band.scale
),
-- A band that does not begin where the one before it ends, or none that reaches to the end, leaves a part without a name.
gap AS (
    SELECT instrument_code, scale
    FROM bounded
    GROUP BY ALL
    HAVING bool_or(least_numerator / least_denominator > begins_at) OR NOT bool_or(below_numerator IS NULL)
),
band AS (
    SELECT instrument_code, scale, band, band_position FROM core.instrument_band
    UNION ALL BY NAME
    SELECT instrument_code, scale, 'unnamed' AS band, 0 AS band_position FROM gap
),
placed AS (
    SELECT
        score.patient_id,
        score.instrument_scale,
        coalesce(band.band, 'unnamed') AS band
    FROM marts.score_latest AS score
    LEFT JOIN core.instrument_band AS band
        ON band.instrument_code = score.instrument_code
        AND band.scale = score.scale
        AND score.score_numerator::HUGEINT * band.least_denominator >= band.least_numerator::HUGEINT * score.score_denominator
        AND (
            band.below_numerator IS NULL
            OR score.score_numerator::HUGEINT * band.below_denominator < band.below_numerator::HUGEINT * score.score_denominator
        )
),
assessed AS (
    SELECT DISTINCT instrument_code, scale, instrument_scale, series FROM marts.score_latest
)
SELECT
    assessed.instrument_code,
    assessed.series,
    assessed.scale,
    assessed.instrument_scale,
    band.band::VARCHAR AS band,
    band.band_position::INTEGER AS band_position,
    count(placed.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(placed.patient_id)) FILTER (placed.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM assessed
JOIN band ON band.instrument_code = assessed.instrument_code AND band.scale = assessed.scale
LEFT JOIN placed ON placed.instrument_scale = assessed.instrument_scale AND placed.band = band.band
GROUP BY ALL
