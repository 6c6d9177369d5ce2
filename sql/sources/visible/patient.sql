-- The one person of the export. Each record names them, or they would be lost with the first one that is refused.
-- Grain: record_number (the same patient many times).  Inputs: raw
SELECT
    record_number,
    'member' AS source_record_id,
    'other' AS condition_code
FROM raw
