-- Resources that feed no table. Out of scope: types without a table, conditions other than MS, observations that are neither
-- symptoms nor patient-reported scores. Refused, with its code: what is about a treatment, a symptom's severity, a survey or a
-- questionnaire that no list knows, or whose codings contradict each other.  Grain: record_number.  Inputs: raw.
WITH known AS (
    SELECT
        *,
        fhir_json(code) AS concept,
        CASE type
            WHEN 'Condition' THEN fhir_meanings('condition', fhir_json(code))
            WHEN 'Observation'
                THEN coalesce(
                    nullif(fhir_meanings('instrument', fhir_json(code)), []), fhir_meanings('symptom', fhir_json(code))
                )
            WHEN 'QuestionnaireResponse' THEN list_filter([fhir_instrument(questionnaire)], lambda found: found IS NOT NULL)
            WHEN 'MedicationStatement'
                THEN fhir_meanings('treatment', fhir_medication(medication_concept, medication_reference, contained))
            WHEN 'MedicationRequest'
                THEN fhir_meanings('treatment', fhir_medication(medication_concept, medication_reference, contained))
        END AS meanings
    FROM raw
    WHERE NOT fhir_is_error(status, verification)
)
SELECT
    record_number,
    CASE
        WHEN type IN ('MedicationStatement', 'MedicationRequest')
            THEN fhir_unknown(
                fhir_medication(medication_concept, medication_reference, contained), 'a Medication that is not in the record'
            )
        WHEN type = 'Bundle' AND coalesce(contains(entry, '"resource":'), FALSE)
            THEN 'a Bundle with resources in it, whose file must be named bundle*.json'
        WHEN type = 'QuestionnaireResponse' THEN coalesce(questionnaire, 'no questionnaire is named')
        WHEN type = 'Condition' AND concept IS NULL THEN 'a Condition without a code'
        WHEN type = 'Observation'
            AND (
                len(meanings) > 1
                OR fhir_severity(value_concept, value_text) IS NOT NULL
                OR coalesce(contains(category, '"survey"'), FALSE)
            )
            THEN fhir_unknown(concept, 'an Observation without a code')
    END AS code
FROM known
WHERE CASE
    WHEN type = 'Patient' THEN FALSE
    WHEN type = 'Bundle'
        THEN len(coalesce(fhir_deleted(
            type, '(?:Patient|Condition|Observation|MedicationStatement|MedicationRequest|QuestionnaireResponse)', entry
        ), [])) = 0
    WHEN type = 'Condition' THEN NOT coalesce(list_contains(meanings, 'ms'), FALSE)
    ELSE len(coalesce(meanings, [])) <> 1
END
