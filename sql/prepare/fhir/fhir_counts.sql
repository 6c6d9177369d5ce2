-- Whether a resource of this status may be counted at all. One that may not ends the record that it once was.
-- An Observation, a QuestionnaireResponse: final or amended. A medication: taken or ordered, not planned, denied or cancelled.
-- A Condition: confirmed, or nothing said of it.  Params: type, status, intent, do_not_perform, verification (texts)
CREATE OR REPLACE TEMP MACRO fhir_counts(type, status, intent, do_not_perform, verification) AS
    CASE type
        WHEN 'Observation' THEN coalesce(status IN ('final', 'amended', 'corrected'), FALSE)
        WHEN 'QuestionnaireResponse' THEN coalesce(status IN ('completed', 'amended'), FALSE)
        WHEN 'MedicationStatement' THEN coalesce(status IN ('active', 'completed', 'stopped', 'on-hold', 'unknown'), FALSE)
        WHEN 'MedicationRequest'
            THEN coalesce(status IN ('active', 'completed', 'stopped', 'on-hold', 'unknown'), FALSE)
                AND coalesce(intent IN ('order', 'original-order', 'reflex-order', 'filler-order', 'instance-order'), FALSE)
                AND coalesce(do_not_perform, 'false') <> 'true'
        WHEN 'Condition'
            THEN verification IS NULL
                OR coalesce(list_contains(list_transform(fhir_codings(fhir_json(verification)), lambda coding: coding.code), 'confirmed'), FALSE)
        ELSE TRUE
    END
