-- Of the patients who reported on muscle weakness in the window: how many last reported it for each part of the body.
-- Grain: body_region, severity_group.  Inputs: marts.latest_symptom, marts.symptom_status (who reported).
-- A patient may count in several regions, so that shares of regions do not add up to one.
WITH region(body_region, region_position) AS (
    VALUES
        ('legs', 1), ('arms_hands', 2), ('torso', 3), ('face', 4), ('whole_body', 5), ('not_applicable', 6), ('unknown', 7)
),
severity_group(severity_group, lowest, highest, position) AS (
    VALUES ('any', 1, 3, 1), ('mild', 1, 1, 2), ('moderate', 2, 2, 3), ('severe', 3, 3, 4), ('moderate_or_severe', 2, 3, 5)
),
reporting AS (
    SELECT patient_id FROM marts.symptom_status WHERE symptom_code = 'muscle_weakness'
),
counted AS (
    SELECT
        region.body_region,
        region.region_position,
        severity_group.severity_group,
        severity_group.position,
        count(*) FILTER (latest.severity BETWEEN lowest AND highest) AS patient_count,
        count(*) AS denominator_count,
        coalesce(bit_xor(patient_mark(reporting.patient_id)) FILTER (latest.severity BETWEEN lowest AND highest), 0) AS patient_set
    FROM reporting
    CROSS JOIN region
    CROSS JOIN severity_group
    LEFT JOIN marts.latest_symptom AS latest
        ON latest.patient_id = reporting.patient_id
        AND latest.symptom_code = 'muscle_weakness'
        AND latest.body_region = region.body_region
    GROUP BY ALL
)
SELECT
    body_region::VARCHAR AS body_region,
    region_position::INTEGER AS region_position,
    severity_group::VARCHAR AS severity_group,
    position::INTEGER AS position,
    patient_count::BIGINT AS patient_count,
    denominator_count::BIGINT AS denominator_count,
    (patient_count / denominator_count)::DOUBLE AS share_ratio,
    wilson_low(patient_count, denominator_count)::DOUBLE AS low_ratio,
    wilson_high(patient_count, denominator_count)::DOUBLE AS high_ratio,
    patient_set::UHUGEINT AS patient_set
FROM counted
