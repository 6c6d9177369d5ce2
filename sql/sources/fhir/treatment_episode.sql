-- Medications that people state they take, and those that were ordered.  Grain: record_number, resource.  Inputs: raw
-- A single time at which a medication was taken counts as its start; an end that was planned only does not count as one. Of a dose
-- the first instruction counts, and only once a day, week or month or so many times in one. An order is in use until it has ended.
WITH medication AS (
    SELECT
        *,
        fhir_meanings('treatment', fhir_medication(medication_concept, medication_reference, contained)) AS treatments,
        fhir_is_error(status, verification) AS is_error,
        fhir_json(effective_period) AS span,
        json_extract(coalesce(fhir_json(dosage), fhir_json(dosage_instruction)), '$[0]') AS dose
    FROM raw
    WHERE type IN ('MedicationStatement', 'MedicationRequest')
),
dosed AS (
    SELECT
        *,
        coalesce(treatments, [])[1] AS treatment,
        json_extract(dose, '$.doseAndRate[0].doseQuantity') AS quantity,
        json_extract(dose, '$.timing.repeat') AS repeat,
        coalesce((dose ->> 'asNeededBoolean') = 'true', FALSE) OR coalesce(json_exists(dose, '$.asNeededCodeableConcept'), FALSE) AS is_as_needed,
        CASE status WHEN 'active' THEN 'current' WHEN 'completed' THEN 'stopped' WHEN 'stopped' THEN 'stopped' ELSE 'unknown' END AS use
    FROM medication
    WHERE is_error OR len(treatments) = 1
),
regular AS (
    SELECT
        *,
        CASE
            WHEN is_as_needed THEN 'as_needed'
            WHEN TRY_CAST(repeat ->> 'period' AS DOUBLE) = 1 AND json_exists(repeat, '$.frequency')
                THEN CASE (repeat ->> 'periodUnit') WHEN 'd' THEN 'day' WHEN 'wk' THEN 'week' WHEN 'mo' THEN 'month' END
        END AS dose_period,
        CASE
            WHEN (quantity ->> 'code') IN ('mg', 'ug', 'g', 'mL', 'L', '[iU]', '10*6.[iU]', 'mmol', 'meq', 'mg/kg', '[drp]')
                THEN (quantity ->> 'code')
            WHEN lower(coalesce(quantity ->> 'code', quantity ->> 'unit')) IN ('tab', '{tbl}', 'cap', 'capsule', 'tablet') THEN '1'
        END AS dose_unit
    FROM dosed
)
SELECT
    record_number,
    type || '/' || id AS source_record_id,
    fhir_patient(subject) AS source_patient_id,
    fhir_json(meta) ->> 'lastUpdated' AS source_updated_at,
    NOT fhir_counts(type, status, intent, do_not_perform, verification) AS is_deleted,
    treatment AS treatment_code,
    'medication' AS category,
    fhir_day(coalesce(
        span ->> 'start', effective_at, repeat ->> '$.boundsPeriod.start', CASE WHEN type = 'MedicationRequest' THEN authored_on END
    )) AS started_on,
    CASE
        WHEN use = 'stopped' THEN fhir_day(coalesce(span ->> 'end', repeat ->> '$.boundsPeriod.end'))
    END AS stopped_on,
    use AS status,
    CASE WHEN use = 'current' AND length(asserted_at) >= 10 THEN fhir_day(asserted_at) END AS last_confirmed_on,
    CASE
        WHEN dose_unit IS NULL THEN NULL
        WHEN dose_period = 'as_needed' THEN TRY_CAST(quantity ->> 'value' AS DOUBLE)
        WHEN dose_period IS NOT NULL
            THEN TRY_CAST(quantity ->> 'value' AS DOUBLE) * TRY_CAST(repeat ->> 'frequency' AS DOUBLE)
    END AS dose_amount,
    CASE WHEN dose_period IS NOT NULL THEN dose_unit END AS dose_unit,
    CASE WHEN dose_unit IS NOT NULL THEN dose_period END AS dose_period,
    nullif(array_to_string(list_distinct(flatten(list_transform(
        coalesce(from_json(fhir_json(reasons), '["JSON"]'), []), lambda reason: fhir_meanings('symptom', reason)
    ))), '|'), '') AS purpose_codes,
    CASE WHEN type = 'MedicationRequest' THEN 'clinician' END AS prescribed_by
FROM regular
UNION ALL BY NAME
FROM fhir_deletions('raw', ['MedicationStatement', 'MedicationRequest'])
