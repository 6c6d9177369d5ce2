-- From where a change of a score counts, with the source of that, made from schemas/instruments/*.yaml.
-- Grain: instrument_code, scale, threshold.  A ratio is of the patient's own earlier score. Parts: rows.
CREATE OR REPLACE TABLE core.instrument_threshold AS
SELECT
    instrument_code::VARCHAR AS instrument_code,
    scale::VARCHAR AS scale,
    threshold::VARCHAR AS threshold,
    numerator::BIGINT AS numerator,
    denominator::BIGINT AS denominator,
    is_ratio::BOOLEAN AS is_ratio,
    standing::VARCHAR AS standing,
    source::VARCHAR AS source,
    note::VARCHAR AS note
FROM (
    VALUES
    {rows}
) AS rule(instrument_code, scale, threshold, numerator, denominator, is_ratio, standing, source, note)
