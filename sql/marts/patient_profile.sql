-- What else is known of the patients a figure may count: course with nrSPMS apart, walking, years since, treatment of the disease.
-- Grain: patient_id.  Inputs: marts.patient, core.consented_patient, core.consented_treatment_episode, marts.disease_modifying_treatment.
-- Years are differences of calendar years. A disease-modifying treatment is current if the patient's record says so and no stop
-- by the day of the report is known; of several current classes the class is `several`. Nothing recorded is `none_reported`,
-- which is not the same as taking none. `age_group` and `sex` are the strata of standardised shares, NULL where unknown.
WITH years AS (
    SELECT
        patient.patient_id,
        nullif(patient.ambulation, 'unknown') AS ambulation,
        year(as_of.as_of_on) - patient.symptom_onset_year AS onset_years,
        year(as_of.as_of_on) - patient.diagnosis_year AS diagnosis_years,
        year(as_of.as_of_on) - year(patient.progression_started_on) AS progression_years,
        patient.age_years,
        CASE WHEN patient.sex IN ('female', 'male') THEN patient.sex END AS sex
    FROM core.consented_patient AS patient
    CROSS JOIN marts.as_of AS as_of
),
taken AS (
    SELECT
        episode.patient_id,
        treatment.dmt_class,
        CASE
            WHEN episode.stopped_on <= as_of.as_of_on OR episode.status = 'stopped' THEN 'past'
            WHEN episode.status = 'current' THEN 'current'
            ELSE 'not_known'
        END AS dmt_status
    FROM core.consented_treatment_episode AS episode
    JOIN marts.disease_modifying_treatment AS treatment ON treatment.treatment_code = episode.treatment_code
    CROSS JOIN marts.as_of AS as_of
    WHERE episode.started_on IS NULL OR episode.started_on <= as_of.as_of_on
),
treated AS (
    SELECT
        patient_id,
        CASE
            WHEN bool_or(dmt_status = 'current') THEN 'current'
            WHEN bool_or(dmt_status = 'not_known') THEN 'not_known'
            ELSE 'past'
        END AS dmt_status,
        count(DISTINCT dmt_class) FILTER (dmt_status = 'current') AS class_count,
        min(dmt_class) FILTER (dmt_status = 'current') AS dmt_class
    FROM taken
    GROUP BY ALL
)
SELECT
    patient.patient_id,
    CASE
        WHEN patient.ms_course = 'spms' AND patient.nrspms = 'yes' THEN 'nrspms'
        WHEN patient.ms_course = 'spms' AND patient.nrspms = 'no' THEN 'spms_relapsing'
        WHEN patient.ms_course IN ('ppms', 'prms') THEN 'primary'
        WHEN patient.ms_course IN ('rrms', 'cis') THEN 'relapsing'
        ELSE 'not_known'
    END::VARCHAR AS course_group,
    coalesce(years.ambulation, 'unknown')::VARCHAR AS ambulation,
    years_band(years.onset_years)::VARCHAR AS onset_band,
    years_band(years.diagnosis_years)::VARCHAR AS diagnosis_band,
    CASE WHEN patient.ms_course = 'spms' THEN years_band(years.progression_years) END::VARCHAR AS progression_band,
    coalesce(treated.dmt_status, 'none_reported')::VARCHAR AS dmt_status,
    CASE
        WHEN treated.class_count > 1 THEN 'several'
        WHEN treated.class_count = 1 THEN treated.dmt_class
    END::VARCHAR AS dmt_class,
    CASE
        WHEN years.age_years < 50 THEN 'under 50'
        WHEN years.age_years < 60 THEN '50-59'
        WHEN years.age_years >= 60 THEN '60+'
    END::VARCHAR AS age_group,
    years.sex::VARCHAR AS sex
FROM marts.patient AS patient
JOIN years ON years.patient_id = patient.patient_id
LEFT JOIN treated ON treated.patient_id = patient.patient_id
