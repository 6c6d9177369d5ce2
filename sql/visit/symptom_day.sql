-- What the member reported of each symptom and part of the body, day by day: the newest word on each side of the body, of
-- two sides the worse.  Grain: symptom_code, body_region, reported_on.  Params: patient, since, until
-- Weakness that a source files under a code of its own for each part of the body is muscle weakness of that part.
-- `first_on` is the first report ever of the symptom, of weakness in that part of the body. Codes no code list knows are kept: the page is the member's own.
WITH report AS (
    SELECT
        CASE
            WHEN symptom_code IN ('leg_weakness', 'arm_weakness', 'trunk_weakness', 'facial_weakness') THEN 'muscle_weakness'
            ELSE symptom_code
        END AS symptom_code,
        CASE symptom_code
            WHEN 'leg_weakness' THEN 'legs'
            WHEN 'arm_weakness' THEN 'arms_hands'
            WHEN 'trunk_weakness' THEN 'torso'
            WHEN 'facial_weakness' THEN 'face'
            ELSE coalesce(nullif(body_region, 'not_applicable'), 'unknown')
        END AS body_region,
        coalesce(side, 'unknown') AS side,
        reported_on,
        severity,
        perceived_cause,
        is_worse_with_heat,
        is_worse_after_exertion,
        source_updated_at,
        exported_at,
        row_hash,
        record_id
    FROM core.symptom_report
    WHERE patient_id = $patient AND reported_on <= $until::DATE
),
newest AS (
    SELECT
        *,
        min(reported_on) OVER (
            PARTITION BY symptom_code, CASE WHEN symptom_code = 'muscle_weakness' THEN body_region END
        ) AS first_on
    FROM report
    QUALIFY row_number() OVER (
        PARTITION BY symptom_code, body_region, side, reported_on
        ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
)
SELECT
    symptom_code::VARCHAR AS symptom_code,
    body_region::VARCHAR AS body_region,
    reported_on::DATE AS reported_on,
    max(severity)::TINYINT AS severity,
    list_sort(list(DISTINCT side) FILTER (severity > 0))::VARCHAR[] AS sides,
    list_sort(list(DISTINCT perceived_cause) FILTER (severity > 0))::VARCHAR[] AS causes,
    bool_or(is_worse_with_heat) AS is_worse_with_heat,
    bool_or(is_worse_after_exertion) AS is_worse_after_exertion,
    min(first_on)::DATE AS first_on
FROM newest
WHERE reported_on >= $since::DATE
GROUP BY ALL
ORDER BY symptom_code, body_region, reported_on
