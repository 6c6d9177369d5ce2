-- Whether a resource was entered in error: then nothing else that it says holds.  Params: status, verification (texts)
CREATE OR REPLACE TEMP MACRO fhir_is_error(status, verification) AS
    coalesce(status = 'entered-in-error', FALSE)
    OR coalesce(list_contains(list_transform(fhir_codings(fhir_json(verification)), lambda coding: coding.code), 'entered-in-error'), FALSE)
