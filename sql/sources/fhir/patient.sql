-- People, and what conditions say of them: two records of one patient, which `core` puts together.
-- Grain: record_number, resource.  Inputs: raw
-- The course follows from codes of SNOMED CT and ICD-10-CM that state one, the year of onset from the clinician's words. When a
-- Condition was recorded is not when it was diagnosed: that year is not stated. `entered-in-error`, and a diagnosis that is not
-- confirmed, end the record.
WITH condition AS (
    SELECT
        *,
        list_transform(fhir_codings(fhir_json(code)), lambda coding: coding.code) AS codes,
        NOT fhir_counts(type, status, intent, do_not_perform, verification) AS is_deleted
    FROM raw
    WHERE type = 'Condition'
)
SELECT
    record_number,
    'Patient/' || id AS source_record_id,
    id AS source_patient_id,
    fhir_json(meta) ->> 'lastUpdated' AS source_updated_at,
    FALSE AS is_deleted,
    left(birth_date, 4) AS birth_year,
    gender AS sex,
    fhir_json(address) ->> '$[0].country' AS country_code,
    NULL AS condition_code,
    NULL AS ms_course,
    NULL AS symptom_onset_year,
    NULL AS diagnosis_year,
    NULL AS diagnosis_source
FROM raw
WHERE type = 'Patient'
UNION ALL
SELECT
    record_number,
    'Condition/' || id AS source_record_id,
    fhir_patient(subject) AS source_patient_id,
    fhir_json(meta) ->> 'lastUpdated' AS source_updated_at,
    is_deleted,
    NULL AS birth_year,
    NULL AS sex,
    NULL AS country_code,
    'ms' AS condition_code,
    CASE
        WHEN list_has_any(codes, ['425500002', 'G35.C0', 'G35.C1', 'G35.C2']) THEN 'spms'
        WHEN list_has_any(codes, ['428700003', 'G35.B0', 'G35.B1', 'G35.B2']) THEN 'ppms'
        WHEN list_has_any(codes, ['426373005', 'G35.A']) THEN 'rrms'
    END AS ms_course,
    left(coalesce(onset_at, fhir_json(onset_period) ->> 'start'), 4) AS symptom_onset_year,
    NULL AS diagnosis_year,
    'clinician' AS diagnosis_source
FROM condition
UNION ALL BY NAME
FROM fhir_deletions('raw', ['Patient', 'Condition'])
