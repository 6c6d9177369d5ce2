-- What the member states of themselves, and the age and course that follow from it.  Grain: patient_id.  Params: patient
SELECT
    source_system,
    birth_year,
    sex,
    ms_course,
    nrspms,
    symptom_onset_year,
    diagnosis_year,
    diagnosis_source,
    ambulation
FROM core.patient
WHERE patient_id = $patient
