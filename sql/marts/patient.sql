-- Consented patients with the condition: everyone a figure may count.
-- Grain: patient_id.  Inputs: core.consented_patient.
-- `source_family` keeps apart sources whose effectiveness scale was translated into ours: their ratings are never pooled.
SELECT
    patient.patient_id,
    CASE WHEN patient.source_system = 'druglib' THEN 'druglib' ELSE 'native' END::VARCHAR AS source_family,
    patient.age_band,
    coalesce(patient.sex, 'unknown')::VARCHAR AS sex,
    coalesce(patient.ms_course, 'unknown')::VARCHAR AS ms_course,
    patient.nrspms
FROM core.consented_patient AS patient
JOIN marts.as_of AS as_of ON as_of.condition_code = patient.condition_code
