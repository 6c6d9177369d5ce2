-- Patients who may be compared, with what does not change from month to month.
-- Grain: patient_id.  Inputs: marts.patient, core.consented_patient.
-- Sources whose ratings were translated give no dates of their reports and are left out.
SELECT
    patient.patient_id,
    record.source_system,
    record.birth_year,
    record.diagnosis_year,
    (patient.sex = 'female')::INTEGER AS female,
    (patient.nrspms = 'yes')::INTEGER AS nrspms,
    (patient.ms_course IN ('ppms', 'prms', 'spms') AND patient.nrspms <> 'yes')::INTEGER AS other_progressive
FROM marts.patient AS patient
JOIN core.consented_patient AS record ON record.patient_id = patient.patient_id
WHERE patient.source_family = 'native'
