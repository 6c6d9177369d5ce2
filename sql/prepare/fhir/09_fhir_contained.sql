-- The resource within a resource that a Reference of it names, or NULL.  Params: reference, contained (texts)
CREATE OR REPLACE TEMP MACRO fhir_contained(reference, contained) AS list_filter(
    from_json(fhir_json(contained), '["JSON"]'),
    lambda one: '#' || json_extract_string(one, '$.id') = json_extract_string(fhir_json(reference), '$.reference')
)[1]
