-- A member of a FHIR resource as JSON; NULL where it is none, as a text is where an object is due.  Params: member
CREATE OR REPLACE TEMP MACRO fhir_json(member) AS TRY_CAST(member AS JSON)
