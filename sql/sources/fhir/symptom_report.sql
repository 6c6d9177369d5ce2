-- Observations of a symptom's severity.  Grain: record_number, resource.  Inputs: raw
-- What is entered in error ends a report whatever else it says, as its code may be gone.
WITH observation AS (
    SELECT
        *,
        fhir_is_error(status, verification) AS is_error,
        fhir_meanings('symptom', fhir_json(code)) AS symptoms,
        fhir_meanings('instrument', fhir_json(code)) AS instruments
    FROM raw
    WHERE type = 'Observation'
)
SELECT
    record_number,
    'Observation/' || id AS source_record_id,
    fhir_patient(subject) AS source_patient_id,
    fhir_json(meta) ->> 'lastUpdated' AS source_updated_at,
    NOT fhir_counts(type, status, intent, do_not_perform, verification) AS is_deleted,
    fhir_effective_day(effective_at, effective_period, effective_instant) AS reported_on,
    symptoms[1] AS symptom_code,
    fhir_severity(value_concept, value_text) AS severity
FROM observation
WHERE is_error OR (len(symptoms) = 1 AND len(instruments) = 0)
UNION ALL BY NAME
FROM fhir_deletions('raw', ['Observation'])
