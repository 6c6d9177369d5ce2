-- Of the patients who reported on a symptom in the window: how many in each severity, with 95 % Wilson intervals.
-- Grain: symptom_code, severity_group.  Inputs: marts.symptom_status.
-- `reporting` is the denominator of the others; `any` and `moderate_or_severe` overlap the four levels.
WITH severity_group(severity_group, lowest, highest, position) AS (
    VALUES
        ('reporting', 0, 3, 1), ('none', 0, 0, 2), ('mild', 1, 1, 3), ('moderate', 2, 2, 4), ('severe', 3, 3, 5),
        ('any', 1, 3, 6), ('moderate_or_severe', 2, 3, 7)
),
counted AS (
    SELECT
        status.symptom_code,
        severity_group.severity_group,
        severity_group.position,
        count(*) FILTER (status.severity BETWEEN lowest AND highest) AS patient_count,
        count(*) AS denominator_count,
        coalesce(bit_xor(patient_mark(status.patient_id)) FILTER (status.severity BETWEEN lowest AND highest), 0) AS patient_set
    FROM marts.symptom_status AS status
    CROSS JOIN severity_group
    GROUP BY ALL
)
SELECT
    symptom_code,
    severity_group::VARCHAR AS severity_group,
    position::INTEGER AS position,
    patient_count::BIGINT AS patient_count,
    denominator_count::BIGINT AS denominator_count,
    (patient_count / denominator_count)::DOUBLE AS share_ratio,
    wilson_low(patient_count, denominator_count)::DOUBLE AS low_ratio,
    wilson_high(patient_count, denominator_count)::DOUBLE AS high_ratio,
    patient_set::UHUGEINT AS patient_set
FROM counted
