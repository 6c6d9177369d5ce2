-- The drug a review is about; when it was taken is not said.  Grain: record_number.  Inputs: raw
SELECT
    record_number,
    id AS source_record_id,
    drug AS treatment_code,
    'medication' AS category,
    'unknown' AS status
FROM raw
