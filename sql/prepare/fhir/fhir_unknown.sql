-- How a concept that no list knows is named: its codings as system|code, or its words.  Params: concept (JSON), otherwise
CREATE OR REPLACE TEMP MACRO fhir_unknown(concept, otherwise) AS coalesce(
    nullif(array_to_string(list_transform(fhir_codings(concept), lambda coding: concat_ws('|', coding.system, coding.code)), ', '), ''),
    CASE WHEN (concept ->> 'text') IS NOT NULL THEN 'words without a code' END,
    otherwise
)
