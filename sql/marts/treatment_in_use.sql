-- Takers of each treatment by whether they still use it, and of those who do, whether they said so of late.
-- Grain: source_family, treatment_code, use_group.  Inputs: marts.treatment_status.
-- `current`, `stopped` and `unknown` are parts of the takers, `confirmed` and `not_confirmed` of `current`.
WITH use_group(use_group, status, confirmed, position) AS (
    VALUES
        ('current', 'current', NULL, 1), ('confirmed', 'current', true, 2), ('not_confirmed', 'current', false, 3),
        ('stopped', 'stopped', NULL, 4), ('unknown', 'unknown', NULL, 5)
),
member AS (
    SELECT
        taker.source_family,
        taker.treatment_code,
        taker.patient_id,
        use_group.use_group,
        use_group.position,
        taker.status = use_group.status AND coalesce(taker.is_confirmed = use_group.confirmed, true) AS is_counted
    FROM marts.treatment_status AS taker
    CROSS JOIN use_group
)
SELECT
    source_family,
    treatment_code,
    use_group::VARCHAR AS use_group,
    position::INTEGER AS position,
    (count(*) FILTER (is_counted))::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_counted), 0)::UHUGEINT AS patient_set
FROM member
GROUP BY ALL
