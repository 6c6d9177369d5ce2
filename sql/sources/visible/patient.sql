-- The one person of the export, named by its first record.  Grain: one row.  Inputs: raw
SELECT
    record_number,
    'member' AS source_record_id,
    'other' AS condition_code
FROM raw
ORDER BY record_number
LIMIT 1
