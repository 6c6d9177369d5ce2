-- Whether each taker still uses a treatment, as last confirmed, and why not.
-- Grain: patient_id, treatment_code.  Inputs: marts.treatment_course.
-- In use if any course is; else the latest course decides. `is_confirmed`: said to be in use within the last 180 days.
-- `start_day` and `stop_day` are those of the course that decides, for arithmetic: NULL where not known to the month.
WITH ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY patient_id, treatment_code
            ORDER BY status = 'current' DESC, started_on DESC NULLS LAST, last_confirmed_on DESC NULLS LAST, course_number DESC
        ) AS place
    FROM marts.treatment_course
)
SELECT
    ranked.patient_id,
    ranked.source_family,
    ranked.treatment_code,
    ranked.status::VARCHAR AS status,
    ranked.start_day::DATE AS start_day,
    ranked.stop_day::DATE AS stop_day,
    ranked.last_confirmed_on::DATE AS last_confirmed_on,
    (ranked.status = 'current' AND coalesce(ranked.last_confirmed_on >= as_of.as_of_on - 180, false))::BOOLEAN AS is_confirmed,
    CASE
        WHEN ranked.status = 'stopped' THEN list_distinct(list_filter(ranked.stop_reasons, lambda reason: reason <> 'unknown'))
        ELSE []
    END::VARCHAR[] AS stop_reasons
FROM ranked
CROSS JOIN marts.as_of AS as_of
WHERE ranked.place = 1
