-- Scores of known instruments as Observations, and answers to them as QuestionnaireResponses.
-- Grain: record_number, resource.  Inputs: raw
-- An answer's place is the number that its linkId ends with, as items that were left out may be missing; without such numbers the
-- order counts, if all items are there. An answer is a number, or the weight (ordinalValue, itemWeight) or code of a coding. What
-- cannot be placed or read is passed on as it is, and refused.
WITH node AS (
    SELECT
        raw.record_number,
        tree.id AS place,
        TRY_CAST(regexp_extract(tree.value ->> 'linkId', '(\d+)$', 1) AS INTEGER) AS number,
        json_array_length(tree.value, '$.answer') AS answer_count,
        json_extract(tree.value, '$.answer[0]') AS answer
    FROM raw, json_tree(fhir_json(raw.item)) AS tree
    WHERE raw.type = 'QuestionnaireResponse'
        AND tree.type = 'OBJECT'
        AND json_exists(tree.value, '$.linkId')
        AND NOT json_exists(tree.value, '$.item')
),
answered AS (
    SELECT
        record_number,
        list(number ORDER BY place) AS numbers,
        list(
            CASE
                WHEN coalesce(answer_count, 0) = 0 THEN ''
                WHEN answer_count > 1 THEN 'several'
                ELSE coalesce(
                    answer ->> 'valueInteger',
                    answer ->> 'valueDecimal',
                    list_filter(
                        from_json(json_extract(answer, '$.valueCoding.extension'), '[{"url":"VARCHAR","valueDecimal":"VARCHAR"}]'),
                        lambda one: regexp_matches(one.url, '/(ordinalValue|itemWeight)$')
                    )[1].valueDecimal,
                    answer ->> '$.valueCoding.code',
                    'unread'
                )
            END
            ORDER BY place
        ) AS answers,
        count(*) = count(DISTINCT number) AS is_numbered,
        min(number) AS first_number,
        max(number) AS last_number
    FROM node
    GROUP BY record_number
),
response AS (
    SELECT
        raw.*,
        fhir_instrument(questionnaire) AS instrument,
        TRY_CAST(known_code('instrument', 'items', fhir_instrument(questionnaire)) AS INTEGER) AS item_count,
        answered.* EXCLUDE (record_number)
    FROM raw
    LEFT JOIN answered ON answered.record_number = raw.record_number
    WHERE type = 'QuestionnaireResponse'
),
observation AS (
    SELECT
        *,
        fhir_is_error(status, verification) AS is_error,
        fhir_meanings('instrument', fhir_json(code)) AS instruments
    FROM raw
    WHERE type = 'Observation'
)
SELECT
    record_number,
    'QuestionnaireResponse/' || id AS source_record_id,
    fhir_patient(subject) AS source_patient_id,
    fhir_json(meta) ->> 'lastUpdated' AS source_updated_at,
    NOT fhir_counts(type, status, intent, do_not_perform, verification) AS is_deleted,
    instrument AS instrument_code,
    nullif(regexp_extract(questionnaire, '\|(.+)$', 1), '') AS instrument_version,
    fhir_day(authored) AS assessed_on,
    CASE WHEN length(authored) > 10 THEN authored END AS assessed_at,
    CASE WHEN contains(fhir_json(source) ->> 'reference', 'RelatedPerson/') THEN 'proxy' END AS mode,
    language,
    array_to_string(
        CASE
            WHEN is_numbered AND first_number >= 1 AND last_number <= item_count
                THEN list_transform(range(1, item_count + 1), lambda n: coalesce(answers[list_position(numbers, n)], ''))
            WHEN len(answers) = item_count THEN answers
            WHEN item_count IS NOT NULL THEN ['unplaced']
        END,
        '|'
    ) AS item_responses,
    NULL AS source_score
FROM response
WHERE instrument IS NOT NULL OR fhir_is_error(status, verification)
UNION ALL BY NAME
SELECT
    record_number,
    'Observation/' || id AS source_record_id,
    fhir_patient(subject) AS source_patient_id,
    fhir_json(meta) ->> 'lastUpdated' AS source_updated_at,
    NOT fhir_counts(type, status, intent, do_not_perform, verification) AS is_deleted,
    instruments[1] AS instrument_code,
    fhir_effective_day(effective_at, effective_period, effective_instant) AS assessed_on,
    coalesce(fhir_json(value_quantity) ->> 'value', value_integer) AS source_score
FROM observation
WHERE is_error OR len(instruments) = 1
UNION ALL BY NAME
FROM fhir_deletions('raw', ['Observation', 'QuestionnaireResponse'])
