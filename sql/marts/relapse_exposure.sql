-- Relapses in the window of patients with a relapsing course (RRMS, CIS), and the days over which they could have told of one.
-- Grain: patient_id.  Inputs: core.consented_relapse, core.consented_patient, marts.patient_profile.
-- From the start of the window, or the day the patient enrolled, to the day of the report, or the day last active. A relapse less
-- than 30 days after another is a part of it. Known by the month: counted on its 15th; by the year only: left out.
WITH observed AS (
    SELECT
        patient.patient_id,
        greatest(as_of.window_from_on, coalesce(patient.enrolled_on, as_of.window_from_on)) AS from_on,
        least(as_of.as_of_on, coalesce(patient.last_active_on, as_of.as_of_on)) AS to_on
    FROM core.consented_patient AS patient
    CROSS JOIN marts.as_of AS as_of
    SEMI JOIN marts.patient_profile AS profile ON profile.patient_id = patient.patient_id AND profile.course_group = 'relapsing'
),
relapse AS (
    SELECT
        patient_id,
        CASE started_on_precision WHEN 'month' THEN started_on + 14 ELSE started_on END AS started_on
    FROM core.consented_relapse
    WHERE coalesce(started_on_precision, 'day') IN ('day', 'month')
),
apart AS (
    SELECT patient_id, started_on
    FROM relapse
    QUALIFY coalesce(started_on - lag(started_on) OVER (PARTITION BY patient_id ORDER BY started_on) >= 30, true)
)
SELECT
    observed.patient_id,
    any_value(observed.to_on - observed.from_on + 1)::BIGINT AS day_count,
    count(apart.started_on)::BIGINT AS relapse_count
FROM observed
LEFT JOIN apart ON apart.patient_id = observed.patient_id AND apart.started_on BETWEEN observed.from_on AND observed.to_on
WHERE observed.to_on >= observed.from_on
GROUP BY ALL
