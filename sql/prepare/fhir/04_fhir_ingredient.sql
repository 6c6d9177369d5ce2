-- The ingredient in the name of a medicine, as RxNorm writes it: `24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet`.
-- NULL where there are several, or no strength by which the name of the ingredient would end.  Params: medicine
CREATE OR REPLACE TEMP MACRO fhir_ingredient(medicine) AS
    CASE
        WHEN NOT contains(medicine, ' / ')
            THEN nullif(regexp_extract(
                medicine, '^(?:NDA\d+ )?(?:[\d.]+ (?:HR|ML|ACTUAT|MG) )?(\D.*?) ?\b[\d.,]+ ?(?:mg|mcg|ug|micrograms?|g|gm|ml|unt|units?|meq)\b', 1, 'i'
            ), '')
    END
