-- The author of a review; nothing is known of them but whether the review is about MS.  Grain: record_number.  Inputs: raw
SELECT
    record_number,
    id AS source_record_id,
    -- The text is the author's own, often misspelt ("mulitple sclerosis"); only this decision is kept of it.
    CASE WHEN regexp_matches(condition, '\bms\b|\bm\w{3,8}e[\s-]*scl?\w*r\w*s', 'i') THEN 'ms' ELSE 'other' END AS condition_code
FROM raw
