-- How often patients paced themselves, in the latest week they reported in the window.
-- Grain: pacing.  Inputs: marts.week_status.
WITH pacing(pacing, position) AS (
    VALUES ('never', 1), ('sometimes', 2), ('usually', 3), ('always', 4), ('unknown', 5)
)
SELECT
    pacing.pacing::VARCHAR AS pacing,
    pacing.position::INTEGER AS position,
    count(week.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(week.patient_id)) FILTER (week.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM pacing
LEFT JOIN marts.week_status AS week ON week.pacing = pacing.pacing
GROUP BY ALL
