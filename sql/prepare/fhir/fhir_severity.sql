-- How severe a symptom is, 0 to 3, by the codes and words for none, mild, moderate and severe; NULL for anything else. A bare number
-- is no severity: its scale is not known.  Params: concept, words (texts)
CREATE OR REPLACE TEMP MACRO fhir_severity(concept, words) AS coalesce(
    list_filter(
        list_transform(
            fhir_codings(fhir_json(concept)),
            lambda coding: CASE
                WHEN coding.code IN ('2667000', '260413007', 'LA137-2') OR lower(coding.display) IN ('none', 'absent') THEN 0
                WHEN coding.code IN ('255604002', 'LA6752-5') OR lower(coding.display) = 'mild' THEN 1
                WHEN coding.code IN ('6736007', '1255665007', 'LA6751-7') OR lower(coding.display) = 'moderate' THEN 2
                WHEN coding.code IN ('24484000', 'LA6750-9') OR lower(coding.display) = 'severe' THEN 3
            END
        ),
        lambda severity: severity IS NOT NULL
    )[1],
    CASE lower(trim(coalesce(fhir_json(concept) ->> 'text', words)))
        WHEN 'none' THEN 0 WHEN 'mild' THEN 1 WHEN 'moderate' THEN 2 WHEN 'severe' THEN 3
    END
)
