-- Relapses per patient-year in the window of patients with a relapsing course (RRMS, CIS), and how many had any.
-- Grain: relapse_group.  Inputs: marts.relapse_exposure.
-- `observed` is the denominator of the others and alone has a rate. Interval: quasi-Poisson. A patient-year has 365.25 days.
WITH relapse_group(relapse_group, lowest, highest, position) AS (
    VALUES ('observed', 0, NULL, 1), ('none', 0, 0, 2), ('once', 1, 1, 3), ('twice_or_more', 2, NULL, 4), ('any', 1, NULL, 5)
),
counted AS (
    SELECT
        relapse_group.relapse_group,
        relapse_group.position,
        count(exposure.patient_id) AS patient_count,
        coalesce(bit_xor(patient_mark(exposure.patient_id)) FILTER (exposure.patient_id IS NOT NULL), 0) AS patient_set,
        sum(exposure.relapse_count)::DOUBLE AS event_count,
        sum(exposure.day_count) / 365.25 AS years,
        sum(exposure.relapse_count * exposure.relapse_count / (exposure.day_count / 365.25)) AS squares
    FROM relapse_group
    LEFT JOIN marts.relapse_exposure AS exposure
        ON exposure.relapse_count >= relapse_group.lowest
        AND (relapse_group.highest IS NULL OR exposure.relapse_count <= relapse_group.highest)
    GROUP BY ALL
)
SELECT
    relapse_group::VARCHAR AS relapse_group,
    position::INTEGER AS position,
    patient_count::BIGINT AS patient_count,
    patient_set::UHUGEINT AS patient_set,
    (CASE WHEN relapse_group = 'observed' THEN years END)::DOUBLE AS patient_years,
    (CASE WHEN relapse_group = 'observed' THEN event_count / years END)::DOUBLE AS rate,
    (CASE WHEN relapse_group = 'observed' THEN rate_low(event_count, years, patient_count, squares, t_quantile(0.975, patient_count - 1)) END)::DOUBLE AS low_rate,
    (CASE WHEN relapse_group = 'observed' THEN rate_high(event_count, years, patient_count, squares, t_quantile(0.975, patient_count - 1)) END)::DOUBLE AS high_rate
FROM counted
