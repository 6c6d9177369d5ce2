-- Daily symptoms, rated 0 to 3. A tracker's name is the symptom; a name no code list knows becomes an open code.
-- Grain: record_number.  Inputs: raw
SELECT
    record_number,
    observed_on || '|' || tracker AS source_record_id,
    observed_on AS reported_on,
    tracker AS symptom_code,
    value AS severity,
    1 AS recall_days
FROM raw
WHERE NOT starts_with(category, 'Funcap')
    AND category NOT IN ('Cognitive', 'Emotional', 'Physical', 'Sleep', 'Social')
