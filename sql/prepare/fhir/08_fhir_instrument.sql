-- The instrument that a questionnaire's canonical address ends with, by name or LOINC code, or NULL.  Params: questionnaire
CREATE OR REPLACE TEMP MACRO fhir_instrument(questionnaire) AS coalesce(
    known_code('instrument', 'loinc', regexp_extract(questionnaire, '([^/|]+)(?:\|.*)?$', 1)),
    known_code('instrument', 'word', as_token(regexp_extract(questionnaire, '([^/|]+)(?:\|.*)?$', 1)))
)
