-- Which treatment of the same strategy those began next who no longer use a treatment.
-- Grain: source_family, treatment_code, next_treatment.  Inputs: marts.treatment_status, marts.treatment_course, marts.as_of.
-- `followed`: the stop is known to the month and at least 90 days before the report; `not_followed`: all others who stopped.
-- Next is the course that began first from 30 days before the stop to 90 days after it, and after the course that was stopped.
-- What was in use all along is not next, nor is the same treatment taken up again. Parts: stopped = followed + not_followed;
-- followed = none_known + switched; switched = all next treatments + several (two or more begun on one day). A next treatment
-- of nobody has no row, nor has a treatment that nobody has stopped.
WITH stopped AS (
    SELECT
        status.source_family,
        status.treatment_code,
        status.patient_id,
        treatment_category(status.treatment_code) AS strategy,
        status.start_day,
        status.stop_day,
        coalesce(status.stop_day <= as_of.as_of_on - 90, false) AS is_followed
    FROM marts.treatment_status AS status
    CROSS JOIN marts.as_of AS as_of
    WHERE status.status = 'stopped'
),
begun AS (
    SELECT stopped.patient_id, stopped.treatment_code, course.treatment_code AS next_code
    FROM stopped
    JOIN marts.treatment_course AS course
        ON course.patient_id = stopped.patient_id
        AND course.treatment_code <> stopped.treatment_code
        AND treatment_category(course.treatment_code) = stopped.strategy
        AND course.start_day BETWEEN stopped.stop_day - 30 AND stopped.stop_day + 90
        AND (stopped.start_day IS NULL OR course.start_day > stopped.start_day)
    WHERE stopped.is_followed
    QUALIFY rank() OVER (PARTITION BY stopped.patient_id, stopped.treatment_code ORDER BY course.start_day) = 1
),
next AS (
    SELECT
        patient_id,
        treatment_code,
        CASE WHEN count(DISTINCT next_code) > 1 THEN 'several' ELSE min(next_code) END AS next_code
    FROM begun
    GROUP BY patient_id, treatment_code
),
known AS (
    SELECT
        stopped.source_family,
        stopped.treatment_code,
        stopped.patient_id,
        stopped.is_followed,
        next.next_code,
        next.next_code IS NOT NULL AS is_switched
    FROM stopped
    LEFT JOIN next ON next.patient_id = stopped.patient_id AND next.treatment_code = stopped.treatment_code
),
member AS (
    SELECT source_family, treatment_code, patient_id, 'followed' AS next_treatment, 1 AS position, is_followed AS is_counted FROM known
    UNION ALL
    SELECT source_family, treatment_code, patient_id, 'not_followed' AS next_treatment, 2 AS position, NOT is_followed AS is_counted FROM known
    UNION ALL
    SELECT source_family, treatment_code, patient_id, 'none_known' AS next_treatment, 3 AS position, is_followed AND NOT is_switched AS is_counted
    FROM known
    UNION ALL
    SELECT source_family, treatment_code, patient_id, 'switched' AS next_treatment, 4 AS position, is_switched AS is_counted FROM known
    UNION ALL
    SELECT source_family, treatment_code, patient_id, next_code AS next_treatment, CASE next_code WHEN 'several' THEN 6 ELSE 5 END AS position, true AS is_counted
    FROM known
    WHERE is_switched
)
SELECT
    source_family,
    treatment_code,
    next_treatment::VARCHAR AS next_treatment,
    position::INTEGER AS position,
    (count(*) FILTER (is_counted))::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_counted), 0)::UHUGEINT AS patient_set
FROM member
GROUP BY ALL
