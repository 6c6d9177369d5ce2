-- What a FHIR CodeableConcept means by a code list: the different codes of ours that its codings and texts stand for, in order.
-- Of a coding its code counts; its words only where the list does not know the code, without the kind that SNOMED CT appends.
-- The words of a medicine are also read as RxNorm writes them, with ingredient first and strength behind it.
-- Params: list, concept (JSON)
CREATE OR REPLACE TEMP MACRO fhir_meanings(list, concept) AS list_distinct(list_filter(
    list_concat(
        list_transform(
            fhir_codings(concept),
            lambda coding: coalesce(
                known_code(list, fhir_standard(coding.system), coding.code),
                known_code(list, 'word', as_token(regexp_replace(coding.display, ' \([a-z /]+\)$', '', 'i'))),
                known_code(list, 'word', as_token(fhir_ingredient(coding.display))),
                known_code(list, 'word', as_token(fhir_without_salt(fhir_ingredient(coding.display))))
            )
        ),
        [coalesce(
            known_code(list, 'word', as_token(concept ->> 'text')),
            known_code(list, 'word', as_token(fhir_ingredient(concept ->> 'text'))),
            known_code(list, 'word', as_token(fhir_without_salt(fhir_ingredient(concept ->> 'text'))))
        )]
    ),
    lambda code: code IS NOT NULL
))
