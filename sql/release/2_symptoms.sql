-- Cells of the topic "symptoms": severity of each symptom, of the patients who reported on it in the window; where it is felt, what
-- goes with it, what makes it worse, what patients think causes it, and how it was in each quarter.
-- Grain: table_id, subject (symptom), value_1, value_2.
-- Inputs: marts.symptom_prevalence, marts.symptom_by_region, marts.symptom_by_cause, marts.symptom_trigger, marts.symptom_pair,
-- marts.symptom_by_quarter, marts.membership (how many patients).
-- `any` and `moderate_or_severe` are sums of levels, so that each level is a part of more than one sum. Symptoms overlap and, with
-- whatever else is reported, cover those who reported anything; parts of the body those who have the symptom. The years that end with the quarters overlap, and none
-- lies in another: each is a part of the patients and of nothing else. Two symptoms that go together stand under each of the two, so that both leave a remainder.
WITH severity AS (
    SELECT
        symptom_code,
        severity_group,
        position,
        patient_count,
        denominator_count,
        patient_set,
        'condition=ms|window=365d|symptom=' || symptom_code AS reporting_key,
        CASE severity_group
            WHEN 'reporting' THEN []::VARCHAR[]
            WHEN 'none' THEN ['reporting by level', 'reporting by any']
            WHEN 'any' THEN ['reporting by any']
            WHEN 'mild' THEN ['reporting by level', 'any by level']
            WHEN 'moderate_or_severe' THEN ['any by level']
            ELSE ['reporting by level', 'moderate_or_severe by level']
        END AS sums
    FROM marts.symptom_prevalence
),
everyone AS (
    SELECT patient_count AS everyone_count FROM marts.membership WHERE step = 'reported_on'
),
bounded AS (
    SELECT
        severity.*,
        [reporting_key, 'condition=ms|window=365d|reported=any'] AS bound_needs,
        patient_count / everyone_count AS lowest_ratio,
        (patient_count + everyone_count - denominator_count) / everyone_count AS highest_ratio
    FROM severity
    CROSS JOIN everyone
),
prevalence AS (
    SELECT
        'symptom_severity' AS table_id,
        position,
        symptom_code AS subject,
        'symptom' AS dimension_1,
        symptom_code AS value_1,
        'severity' AS dimension_2,
        severity_group AS value_2,
        CASE severity_group WHEN 'reporting' THEN reporting_key ELSE reporting_key || '|severity=' || severity_group END AS cell_key,
        CASE severity_group WHEN 'reporting' THEN 'condition=ms|window=365d|reported=any' ELSE reporting_key END AS denominator_key,
        CASE severity_group WHEN 'reporting' THEN 'condition=ms|window=365d|reported=any' END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        list_transform(
            sums,
            lambda s: {
                'parent': CASE WHEN s LIKE 'reporting %' THEN reporting_key ELSE reporting_key || '|severity=' || split_part(s, ' ', 1) END,
                'division': s
            }
        ) AS part_of,
        -- What the share among all patients would be if everyone who did not report on it were without it, or had it.
        CASE WHEN severity_group IN ('any', 'moderate_or_severe') THEN [
            {
                'statistic': 'share_if_missing_without', 'value': lowest_ratio, 'low': NULL, 'high': NULL, 'unit': 'share',
                'method': 'all patients, those who did not report on it counted as without it', 'needs': bound_needs
            },
            {
                'statistic': 'share_if_missing_with', 'value': highest_ratio, 'low': NULL, 'high': NULL, 'unit': 'share',
                'method': 'all patients, those who did not report on it counted as with it', 'needs': bound_needs
            }
        ] END AS statistics,
        severity_group <> 'reporting' AS has_interval,
        'symptom_prevalence' AS mart
    FROM bounded
),
region AS (
    SELECT
        'symptom_by_region' AS table_id,
        position,
        symptom_code AS subject,
        'symptom' AS dimension_1,
        symptom_code AS value_1,
        'body_region' AS dimension_2,
        body_region AS value_2,
        'condition=ms|window=365d|symptom=' || symptom_code || '|body_region=' || body_region || '|severity=any' AS cell_key,
        'condition=ms|window=365d|symptom=' || symptom_code AS denominator_key,
        denominator_key || '|severity=any' AS covers_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        true AS has_interval,
        'symptom_by_region' AS mart
    FROM marts.symptom_by_region
    -- Weakness by part of the body stands in a table of its own, with its severities.
    WHERE symptom_code <> 'muscle_weakness'
),
cause AS (
    SELECT
        'symptom_by_cause' AS table_id,
        position,
        symptom_code AS subject,
        'symptom' AS dimension_1,
        symptom_code AS value_1,
        'perceived_cause' AS dimension_2,
        perceived_cause AS value_2,
        'condition=ms|window=365d|symptom=' || symptom_code || '|severity=any|perceived_cause=' || perceived_cause AS cell_key,
        'condition=ms|window=365d|symptom=' || symptom_code || '|severity=any' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': denominator_key, 'division': 'perceived_cause'}] AS part_of,
        true AS has_interval,
        'symptom_by_cause' AS mart
    FROM marts.symptom_by_cause
),
worse AS (
    SELECT
        'symptom_trigger_' || answer AS table_id,
        CASE trigger WHEN 'heat' THEN 1 ELSE 2 END AS position,
        symptom_code AS subject,
        'symptom' AS dimension_1,
        symptom_code AS value_1,
        'trigger' AS dimension_2,
        trigger AS value_2,
        'condition=ms|window=365d|symptom=' || symptom_code || '|severity=any' AS felt_key,
        felt_key || '|' || trigger || '=' || answer AS cell_key,
        CASE answer WHEN 'answered' THEN felt_key ELSE felt_key || '|' || trigger || '=answered' END AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        answer <> 'answered' AS has_interval,
        'symptom_trigger' AS mart
    FROM marts.symptom_trigger
),
pair AS (
    SELECT
        'co_reported' AS table_id,
        position,
        symptom_code AS subject,
        'symptom' AS dimension_1,
        symptom_code AS value_1,
        'co_symptom' AS dimension_2,
        co_symptom_code AS value_2,
        'condition=ms|window=365d|co_reported=' || least(symptom_code, co_symptom_code) || '+' || greatest(symptom_code, co_symptom_code)
            AS cell_key,
        'condition=ms|window=365d|symptom=' || symptom_code || '|severity=any' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        true AS has_interval,
        'symptom_pair' AS mart
    FROM marts.symptom_pair
),
trend AS (
    SELECT
        CASE severity_group WHEN 'reporting' THEN 'symptom_trend_reporting' ELSE 'symptom_trend' END AS table_id,
        position * 100 + row_number() OVER (PARTITION BY symptom_code, severity_group ORDER BY from_on) AS position,
        symptom_code AS subject,
        'severity' AS dimension_1,
        severity_group AS value_1,
        'quarter' AS dimension_2,
        quarter AS value_2,
        'condition=ms|year_to=' || to_on::VARCHAR || '|symptom=' || symptom_code AS reporting_key,
        CASE severity_group WHEN 'reporting' THEN reporting_key ELSE reporting_key || '|severity=' || severity_group END AS cell_key,
        CASE severity_group WHEN 'reporting' THEN 'condition=ms' ELSE reporting_key END AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        severity_group <> 'reporting' AS has_interval,
        'symptom_by_quarter' AS mart
    FROM marts.symptom_by_quarter
),
cell AS (
    SELECT * FROM prevalence
    UNION ALL BY NAME
    SELECT * FROM region
    UNION ALL BY NAME
    SELECT * FROM cause
    UNION ALL BY NAME
    SELECT * FROM worse
    UNION ALL BY NAME
    SELECT * FROM pair
    UNION ALL BY NAME
    SELECT * FROM trend
)
SELECT
    'symptoms' AS topic,
    table_id,
    position::DOUBLE AS position,
    'symptom' AS subject_kind,
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
    covers_key,
    'patients' AS unit,
    has_interval,
    false AS is_expendable,
    mart,
    statistics
FROM cell
