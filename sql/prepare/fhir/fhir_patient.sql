-- The id of the patient whom a FHIR Reference names, or NULL: a relative or absolute address, or the urn of an entry beside it.
-- Params: member (text of a Reference)
CREATE OR REPLACE TEMP MACRO fhir_patient(member) AS
    nullif(regexp_extract(
        fhir_json(member) ->> 'reference', '^(?:(?:[a-z]+://[^?#]*/)?Patient/|urn:uuid:)([A-Za-z0-9.-]{1,64})(?:/_history/[^/]+)?$', 1
    ), '')
