-- One result of one test.  Grain: record_number.  Inputs: raw
-- Mood stays an instrument: its scale is 0 to 5, that of a symptom report 0 to 3.
SELECT
    record_number,
    result_id AS source_record_id,
    participant AS source_patient_id,
    test || ' ' || metric AS instrument_code,
    split_part(created_at, ' ', 1) AS assessed_on,
    created_at AS assessed_at,
    CASE WHEN test = 'Daily Questions' THEN 'app' ELSE 'sensor' END AS mode,
    result AS source_score
FROM raw
