-- The first course of a treatment that was followed, in days since its start: from when to when, and how it ended.
-- Grain: patient_id, treatment_code.  Inputs: marts.treatment_course, core.consented_patient, core.consented_symptom_report.
-- Followed from the enrolment on (without one, from the first symptom report): a treatment begun before counts from then, for
-- had it been stopped before, nobody would have told (left truncation). Without a stop, followed until the use was last
-- confirmed: to take a silent "current" at its word until today makes treatments look lasting. `as_of_exit_days` does that,
-- for a bound. A stop or a last word on the day of the start is one after half a day. Left out: courses of which start or stop are not known
-- to the month, and those that ended before they were followed.
-- `stop_cause` is one for each stop, since causes compete: the first that holds of side effects, not working, course complete
-- or no longer needed, any other, none given.
WITH enrolled AS (
    SELECT person.patient_id, person.enrolled_on
    FROM core.consented_patient AS person
    SEMI JOIN marts.treatment_course AS course ON course.patient_id = person.patient_id
),
first_report AS (
    SELECT report.patient_id, min(report.reported_on) AS reported_on
    FROM core.consented_symptom_report AS report
    SEMI JOIN (SELECT patient_id FROM enrolled WHERE enrolled_on IS NULL) AS person ON person.patient_id = report.patient_id
    GROUP BY ALL
),
timed AS (
    SELECT
        course.patient_id,
        course.source_family,
        course.treatment_code,
        course.start_day,
        course.course_number,
        coalesce(enrolled.enrolled_on, first_report.reported_on) AS watched_from,
        -- NULL, not 0, if nobody knows from when on: `greatest` would pass over a NULL.
        CASE WHEN watched_from IS NOT NULL THEN greatest(watched_from - course.start_day, 0) END::DOUBLE AS entry_days,
        course.status = 'stopped' AS is_stopped,
        CASE
            WHEN is_stopped THEN course.stop_day - course.start_day
            ELSE course.last_confirmed_on - course.start_day
        END AS last_day,
        -- NULL, not half a day, if nobody knows: see above.
        CASE WHEN last_day IS NOT NULL THEN greatest(last_day::DOUBLE, 0.5) END AS exit_days,
        CASE
            WHEN course.status = 'current' THEN greatest((as_of.as_of_on - course.start_day)::DOUBLE, 0.5)
            ELSE exit_days
        END AS as_of_exit_days,
        CASE
            WHEN NOT is_stopped THEN NULL
            WHEN list_contains(course.stop_reasons, 'side_effects') THEN 'side_effects'
            WHEN list_contains(course.stop_reasons, 'not_working') THEN 'not_working'
            WHEN list_has_any(course.stop_reasons, ['course_complete', 'improved']) THEN 'complete'
            WHEN len(list_filter(course.stop_reasons, lambda reason: reason <> 'unknown')) > 0 THEN 'other'
            ELSE 'not_given'
        END AS stop_cause
    FROM marts.treatment_course AS course
    CROSS JOIN marts.as_of AS as_of
    JOIN enrolled ON enrolled.patient_id = course.patient_id
    LEFT JOIN first_report ON first_report.patient_id = course.patient_id
)
SELECT
    patient_id,
    source_family,
    treatment_code,
    start_day::DATE AS start_day,
    entry_days,
    exit_days,
    as_of_exit_days,
    stop_cause::VARCHAR AS stop_cause
FROM timed
WHERE exit_days > entry_days
QUALIFY row_number() OVER (PARTITION BY patient_id, treatment_code ORDER BY start_day, course_number) = 1
