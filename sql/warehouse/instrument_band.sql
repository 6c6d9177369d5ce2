-- Parts of a scale's range that have a name, made from schemas/instruments/*.yaml.
-- Grain: instrument_code, scale, band.  `below` is NULL where a band reaches to the end. Parts: rows.
CREATE OR REPLACE TABLE core.instrument_band AS
SELECT
    instrument_code::VARCHAR AS instrument_code,
    scale::VARCHAR AS scale,
    band::VARCHAR AS band,
    band_position::INTEGER AS band_position,
    least_numerator::BIGINT AS least_numerator,
    least_denominator::BIGINT AS least_denominator,
    below_numerator::BIGINT AS below_numerator,
    below_denominator::BIGINT AS below_denominator
FROM (
    VALUES
    {rows}
) AS rule(
    instrument_code, scale, band, band_position, least_numerator, least_denominator, below_numerator, below_denominator
)
