-- What a medication is, as a CodeableConcept: stated, or that of the Medication within the resource, or of that one's only
-- ingredient, or the words of a reference to elsewhere.  Params: concept, reference, contained (texts)
CREATE OR REPLACE TEMP MACRO fhir_medication(concept, reference, contained) AS coalesce(
    fhir_json(concept),
    json_extract(fhir_contained(reference, contained), '$.code'),
    CASE
        WHEN json_array_length(fhir_contained(reference, contained), '$.ingredient') = 1
            THEN json_extract(fhir_contained(reference, contained), '$.ingredient[0].itemCodeableConcept')
    END,
    json_object('text', fhir_json(reference) ->> 'display')
)
