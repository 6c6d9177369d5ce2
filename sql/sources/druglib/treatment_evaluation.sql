-- The ratings of a review.  Grain: record_number.  Inputs: raw
-- Crosswalk: the source's words are not ours, so reports name this crosswalk and never pool these ratings with native ones.
--   Highly -> major; Considerably, Moderately -> moderate; Marginally -> slight; Ineffective -> none.
--   Severe, Extremely Severe -> severe.  Any other word is passed on, and refused.
SELECT
    record_number,
    id AS source_record_id,
    id AS source_episode_id,
    CASE lower(trim(effectiveness))
        WHEN 'highly effective' THEN 'major'
        WHEN 'considerably effective' THEN 'moderate'
        WHEN 'moderately effective' THEN 'moderate'
        WHEN 'marginally effective' THEN 'slight'
        WHEN 'ineffective' THEN 'none'
        ELSE effectiveness
    END AS effectiveness,
    CASE lower(trim(side_effects))
        WHEN 'no side effects' THEN 'none'
        WHEN 'mild side effects' THEN 'mild'
        WHEN 'moderate side effects' THEN 'moderate'
        WHEN 'severe side effects' THEN 'severe'
        WHEN 'extremely severe side effects' THEN 'severe'
        ELSE side_effects
    END AS side_effect_severity
FROM raw
