-- When each patient first started each treatment, as far as it can be dated.
-- Grain: patient_id, treatment_code.  Inputs: marts.change_course_start, marts.treatment_rating (who counts as having taken it).
-- The first start of all counts; where it is known by its year or not at all, no later one takes its place. `has_co_start`:
-- another treatment was started within 30 days of it.
WITH first AS (
    SELECT *
    FROM marts.change_course_start
    QUALIFY row_number() OVER (PARTITION BY patient_id, treatment_code ORDER BY started_on NULLS FIRST) = 1
),
co_start AS (
    SELECT DISTINCT first.patient_id, first.treatment_code
    FROM first
    JOIN marts.change_course_start AS other
        ON other.patient_id = first.patient_id
        AND other.treatment_code <> first.treatment_code
        AND other.started_on BETWEEN first.started_on - 30 AND first.started_on + 30
        AND other.is_dated
)
SELECT
    first.patient_id,
    first.treatment_code,
    first.started_on,
    first.is_month_precise,
    co_start.patient_id IS NOT NULL AS has_co_start
FROM first
SEMI JOIN marts.treatment_rating AS taken
    ON taken.patient_id = first.patient_id
    AND taken.treatment_code = first.treatment_code
LEFT JOIN co_start ON co_start.patient_id = first.patient_id AND co_start.treatment_code = first.treatment_code
WHERE first.is_dated
