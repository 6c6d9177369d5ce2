-- Participants as each of their results repeats them.  Grain: record_number (the same patient many times).  Inputs: raw
SELECT
    record_number,
    participant AS source_record_id,
    participant AS source_patient_id,
    birth_year,
    sex,
    country AS country_code,
    CASE lower(is_control) WHEN 'true' THEN 'none' WHEN 'false' THEN 'ms' ELSE is_control END AS condition_code,
    height_cm,
    -- 1 lb = 0.45359237 kg by definition
    round(TRY_CAST(weight_lb AS DOUBLE) * 0.45359237, 1) AS weight_kg,
    split_part(enrolled_at, ' ', 1) AS enrolled_on
FROM raw
