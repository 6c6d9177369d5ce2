-- How patients gave the answers of their latest assessment in the window: on a page, on paper, through a proxy.
-- Grain: mode.  Inputs: marts.latest_assessment.
WITH mode(mode, position) AS (
    VALUES ('web', 1), ('app', 2), ('paper', 3), ('clinic', 4), ('proxy', 5), ('sensor', 6), ('unknown', 7)
)
SELECT
    mode.mode::VARCHAR AS mode,
    mode.position::INTEGER AS position,
    count(latest.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(latest.patient_id)) FILTER (latest.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM mode
LEFT JOIN marts.latest_assessment AS latest ON latest.mode = mode.mode
GROUP BY ALL
