-- Patients whose latest report of a symptom for a part of the body, in the window, says that it is there.
-- Grain: symptom_code, body_region.  Inputs: marts.latest_symptom.
-- A patient may count in several parts. Parts that nobody named have no row: most symptoms have one place.
WITH felt AS (
    SELECT symptom_code, body_region, patient_id FROM marts.latest_symptom WHERE severity > 0
)
SELECT
    symptom_code,
    body_region,
    list_position(['legs', 'arms_hands', 'torso', 'face', 'whole_body', 'not_applicable', 'unknown'], body_region)::INTEGER AS position,
    count(*)::BIGINT AS patient_count,
    bit_xor(patient_mark(patient_id))::UHUGEINT AS patient_set
FROM felt
GROUP BY ALL
