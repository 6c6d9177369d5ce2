-- An ingredient without the salt it is given as.  Params: ingredient
CREATE OR REPLACE TEMP MACRO fhir_without_salt(ingredient) AS
    regexp_replace(ingredient, ' (?:hydrochloride|hcl|sodium|potassium|maleate|succinate|tartrate|sulfate|citrate|mesylate|hydrobromide)$', '', 'i')
