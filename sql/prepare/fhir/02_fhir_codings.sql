-- The codings of a FHIR CodeableConcept, in its order; an empty list without one.  Params: concept (JSON)
CREATE OR REPLACE TEMP MACRO fhir_codings(concept) AS
    coalesce(from_json(json_extract(concept, '$.coding'), '[{"system":"VARCHAR","code":"VARCHAR","display":"VARCHAR"}]'), [])
