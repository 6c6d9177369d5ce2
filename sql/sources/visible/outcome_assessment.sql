-- What is asked on another scale than symptoms, one item each: FUNCAP activities 0 to 6, demands of the day, sleep.
-- Grain: record_number.  Inputs: raw
SELECT
    record_number,
    observed_on || '|' || tracker AS source_record_id,
    observed_on AS assessed_on,
    -- The items of FUNCAP are sentences; their category says what they ask about.
    CASE WHEN starts_with(category, 'Funcap') THEN category || ' ' || tracker ELSE tracker END AS instrument_code,
    'app' AS mode,
    value AS source_score
FROM raw
WHERE starts_with(category, 'Funcap')
    OR category IN ('Cognitive', 'Emotional', 'Physical', 'Sleep', 'Social')
