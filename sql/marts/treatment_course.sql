-- Courses of treatment of the patients of the report: spans of one treatment at most 30 days apart are one.
-- Grain: patient_id, treatment_code, course_number.  Inputs: core.consented_treatment_course, marts.treatment_rating (who counts as a taker).
SELECT
    course.patient_id,
    patient.source_family,
    course.treatment_code,
    course.course_number,
    course.span_count,
    course.started_on,
    course.started_on_precision,
    course.start_day,
    course.status,
    course.stopped_on,
    course.stopped_on_precision,
    course.stop_day,
    course.stop_reasons,
    course.last_confirmed_on
FROM core.consented_treatment_course AS course
JOIN marts.patient AS patient ON patient.patient_id = course.patient_id
SEMI JOIN marts.treatment_rating AS rating
    ON rating.patient_id = course.patient_id AND rating.treatment_code = course.treatment_code
