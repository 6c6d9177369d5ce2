-- Falls, and falls that caused an injury, per patient-year in the window, by course of MS with nrSPMS apart.
-- Grain: course, fall_kind.  Inputs: marts.fall_exposure, marts.patient_profile, marts.course.
-- `course` is `all` for everyone. All falls over all time: who counted for longer weighs more. Intervals: quasi-Poisson, since some
-- patients fall again and again; Poisson's exact upper limit where nobody fell. A patient-year has 365.25 days.
WITH member AS (
    SELECT course.course, exposure.*
    FROM marts.fall_exposure AS exposure
    JOIN marts.patient_profile AS profile ON profile.patient_id = exposure.patient_id
    JOIN marts.course AS course ON course.course_group = profile.course_group
    UNION ALL BY NAME
    SELECT 'all' AS course, * FROM marts.fall_exposure
),
counted AS (
    SELECT course, 'falls' AS fall_kind, fall_count AS event_count, day_count / 365.25 AS years FROM member
    UNION ALL
    SELECT course, 'injurious_falls' AS fall_kind, injurious_fall_count AS event_count, injurious_day_count / 365.25 AS years
    FROM member
    WHERE injurious_day_count > 0
),
summed AS (
    SELECT
        course,
        fall_kind,
        count(*) AS patient_count,
        sum(event_count)::DOUBLE AS event_count,
        sum(years) AS years,
        sum(event_count * event_count / years) AS squares
    FROM counted
    GROUP BY ALL
)
SELECT
    course::VARCHAR AS course,
    fall_kind::VARCHAR AS fall_kind,
    patient_count::BIGINT AS patient_count,
    event_count::BIGINT AS event_count,
    years::DOUBLE AS patient_years,
    (event_count / years)::DOUBLE AS rate,
    rate_low(event_count, years, patient_count, squares, t_quantile(0.975, patient_count - 1))::DOUBLE AS low_rate,
    rate_high(event_count, years, patient_count, squares, t_quantile(0.975, patient_count - 1))::DOUBLE AS high_rate
FROM summed
