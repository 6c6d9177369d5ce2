-- The scoring rules of every instrument, one row a scale and version, made from schemas/instruments/*.yaml.
-- Grain: instrument_code, instrument_version, scale; a version of NULL stands for every version of an instrument whose score
-- only the source can give. Item lists are in the order of `items`. Parts: rows.
CREATE OR REPLACE TABLE core.instrument_scale AS
SELECT
    instrument_code::VARCHAR AS instrument_code,
    instrument_version::VARCHAR AS instrument_version,
    scale::VARCHAR AS scale,
    scale_position::INTEGER AS scale_position,
    direction::VARCHAR AS direction,
    unit::VARCHAR AS unit,
    rule_version::VARCHAR AS rule_version,
    method::VARCHAR AS method,
    -- Of all items of the version: how many, and the least and greatest answer of each.
    answer_count::INTEGER AS answer_count,
    lowest_answers::SMALLINT[] AS lowest_answers,
    highest_answers::SMALLINT[] AS highest_answers,
    len(list_distinct(lowest_answers)) = 1 AND len(list_distinct(highest_answers)) = 1 AS has_one_range,
    -- Of the items of the scale: numbers, least answers, widths of the ranges, and what makes these widths one.
    items::INTEGER[] AS items,
    item_lows::BIGINT[] AS item_lows,
    item_spans::BIGINT[] AS item_spans,
    item_weights::BIGINT[] AS item_weights,
    common_span::BIGINT AS common_span,
    least_sum::BIGINT AS least_sum,
    greatest_sum::BIGINT AS greatest_sum,
    needed_count::INTEGER AS needed_count,
    parts::VARCHAR[] AS parts,
    is_source_scale::BOOLEAN AS is_source_scale,
    source_denominator::BIGINT AS source_denominator,
    minimum_numerator::BIGINT AS minimum_numerator,
    minimum_denominator::BIGINT AS minimum_denominator,
    maximum_numerator::BIGINT AS maximum_numerator,
    maximum_denominator::BIGINT AS maximum_denominator
FROM (
    VALUES
    {rows}
) AS rule(
    instrument_code, instrument_version, scale, scale_position, direction, unit, rule_version, method, answer_count, lowest_answers,
    highest_answers, items, item_lows, item_spans, item_weights, common_span, least_sum, greatest_sum, needed_count, parts,
    is_source_scale, source_denominator, minimum_numerator, minimum_denominator, maximum_numerator, maximum_denominator
)
