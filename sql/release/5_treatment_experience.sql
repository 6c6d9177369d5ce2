-- Cells of the topic "treatments": doses, side effects, adherence, burden and cost, as takers last reported them.
-- Grain: table_id, subject (treatment), value_1, value_2.  Inputs: marts.treatment_answer, marts.treatment_side_effect,
-- marts.treatment_dose, marts.treatment_taken (of treatments that at least 100 have taken).
-- All who answered are a part of the takers. Of translated sources side effects only. A side effect is named by some of those who
-- have any: the rest of these follows from it, so that these are its denominator; its share of all who answered needs both.
WITH answer AS (
    SELECT
        *,
        'condition=ms|source_family=' || source_family || '|treatment=' || treatment_code AS treatment_key,
        treatment_key || '|' || aspect || coalesce('=' || currency_code, '') || '|answer=' AS stem
    FROM marts.treatment_answer
    SEMI JOIN (SELECT * FROM marts.treatment_taken WHERE has_details) USING (source_family, treatment_code)
    WHERE (source_family = 'native' OR aspect = 'side_effect_severity')
        AND (currency_code IS NULL OR currency_code IN ('USD', 'EUR', 'GBP'))
),
answered AS (
    SELECT
        CASE aspect
            WHEN 'side_effect_severity' THEN 'side_effects_'
            WHEN 'monthly_cost_band' THEN 'monthly_cost_'
            ELSE aspect || '_'
        END || source_family AS table_id,
        position,
        treatment_code AS subject,
        coalesce(CASE WHEN currency_code IS NOT NULL THEN 'currency' END, 'answer_' || aspect) AS dimension_1,
        coalesce(currency_code, answer) AS value_1,
        CASE WHEN currency_code IS NOT NULL THEN 'answer_' || aspect END AS dimension_2,
        CASE WHEN currency_code IS NOT NULL THEN answer END AS value_2,
        stem || answer AS cell_key,
        CASE answer WHEN 'answered' THEN treatment_key ELSE stem || 'answered' END AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        CASE
            WHEN answer = 'answered' THEN []
            WHEN aspect = 'side_effect_severity' AND answer NOT IN ('none', 'any')
                THEN [{'parent': stem || 'any', 'division': 'severity'}]
            ELSE [{'parent': stem || 'answered', 'division': 'answer'}]
        END AS part_of,
        answer <> 'answered' AS has_interval,
        'treatment_answer' AS mart
    FROM answer
),
named AS (
    SELECT
        'side_effect_codes_' || effect.source_family AS table_id,
        1 AS position,
        effect.treatment_code AS subject,
        'side_effect' AS dimension_1,
        effect.side_effect_code AS value_1,
        'condition=ms|source_family=' || effect.source_family || '|treatment=' || effect.treatment_code
            || '|side_effect_severity|answer=' AS stem,
        stem || 'any|side_effect=' || effect.side_effect_code AS cell_key,
        stem || 'any' AS denominator_key,
        effect.patient_count AS cell_count,
        effect.patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        true AS has_interval,
        'treatment_side_effect' AS mart,
        [
            {
                'statistic': 'share_of_answered',
                'value': round(effect.patient_count / total.patient_count, 3),
                'low': round(wilson_low(effect.patient_count, total.patient_count), 3),
                'high': round(wilson_high(effect.patient_count, total.patient_count), 3),
                'unit': 'share',
                'method': 'Wilson (1927), 95 %',
                'needs': [stem || 'any', stem || 'answered']
            }
        ] AS statistics
    FROM marts.treatment_side_effect AS effect
    SEMI JOIN (SELECT * FROM marts.treatment_taken WHERE has_details) AS taken
        ON taken.source_family = effect.source_family AND taken.treatment_code = effect.treatment_code
    JOIN marts.treatment_answer AS total
        ON total.source_family = effect.source_family
        AND total.treatment_code = effect.treatment_code
        AND total.aspect = 'side_effect_severity'
        AND total.answer = 'answered'
    WHERE effect.source_family = 'native'
),
dose AS (
    SELECT
        'doses_native' AS table_id,
        -- Bands of one unit and time stand together, small ones first, in one order for all treatments, since cells are sorted
        -- by the first place of their value in any; the order tells nothing of counts.
        dense_rank() OVER (
            ORDER BY
                dose.dose = 'not_stated',
                dose.dose_unit,
                array_position(['as_needed', 'day', 'week', 'month'], dose.dose_period),
                dose.from_amount
        ) AS position,
        dose.treatment_code AS subject,
        'dose' AS dimension_1,
        dose.dose AS value_1,
        'condition=ms|source_family=native|treatment=' || dose.treatment_code AS treatment_key,
        treatment_key || '|dose=' || dose.dose AS cell_key,
        treatment_key AS denominator_key,
        dose.patient_count AS cell_count,
        dose.patient_set,
        [{'parent': treatment_key, 'division': 'dose'}] AS part_of,
        true AS has_interval,
        'treatment_dose' AS mart
    FROM marts.treatment_dose AS dose
    SEMI JOIN (SELECT * FROM marts.treatment_taken WHERE has_details) AS taken
        ON taken.source_family = dose.source_family AND taken.treatment_code = dose.treatment_code
    WHERE dose.source_family = 'native'
),
cell AS (
    SELECT * FROM answered
    UNION ALL BY NAME
    SELECT * EXCLUDE (stem) FROM named
    UNION ALL BY NAME
    SELECT * EXCLUDE (treatment_key) FROM dose
)
SELECT
    'treatments' AS topic,
    table_id,
    position::DOUBLE AS position,
    'treatment' AS subject_kind,
    subject,
    dimension_1,
    value_1,
    dimension_2,
    value_2,
    cell_key,
    denominator_key,
    cell_count,
    patient_set,
    part_of,
    NULL AS covers_key,
    'patients' AS unit,
    has_interval,
    false AS is_expendable,
    mart,
    statistics
FROM cell
