-- Cells of the topic "muscle weakness": by part of the body and by perceived cause.
-- Grain: table_id, value_1, value_2.  Inputs: marts.weakness_by_region, marts.weakness_by_cause.
-- A patient may count in several regions: they are no parts of a sum, each leaves a remainder of its own. But the latest day of
-- all is the latest of some region, so that whoever is weak is so in one region at least: regions cover each severity. They do
-- not cover those who reported, since "none" by region is not shown. Causes exclude one another.
WITH region AS (
    SELECT
        'weakness_by_region' AS table_id,
        region_position * 10 + position AS position,
        'body_region' AS dimension_1,
        body_region AS value_1,
        'severity' AS dimension_2,
        severity_group AS value_2,
        'condition=ms|window=365d|symptom=muscle_weakness|body_region=' || body_region || '|severity=' AS stem,
        'condition=ms|window=365d|symptom=muscle_weakness' AS denominator_key,
        denominator_key || '|severity=' || severity_group AS covers_key,
        patient_count AS cell_count,
        patient_set,
        'weakness_by_region' AS mart
    FROM marts.weakness_by_region
),
cause AS (
    SELECT
        'weakness_by_cause' AS table_id,
        position,
        'perceived_cause' AS dimension_1,
        perceived_cause AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|window=365d|symptom=muscle_weakness|severity=any|perceived_cause=' || perceived_cause AS cell_key,
        'condition=ms|window=365d|symptom=muscle_weakness|severity=any' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': 'condition=ms|window=365d|symptom=muscle_weakness|severity=any', 'division': 'perceived_cause'}] AS part_of,
        'weakness_by_cause' AS mart
    FROM marts.weakness_by_cause
),
cell AS (
    SELECT
        * EXCLUDE (stem),
        stem || value_2 AS cell_key,
        CASE value_2
            WHEN 'any' THEN []::STRUCT(parent VARCHAR, division VARCHAR)[]
            WHEN 'mild' THEN [{'parent': stem || 'any', 'division': 'severity'}]
            WHEN 'moderate_or_severe' THEN [{'parent': stem || 'any', 'division': 'severity'}]
            ELSE [{'parent': stem || 'moderate_or_severe', 'division': 'severity'}]
        END AS part_of
    FROM region
    UNION ALL BY NAME
    SELECT * FROM cause
)
SELECT
    'weakness' AS topic,
    table_id,
    position::DOUBLE AS position,
    'symptom' AS subject_kind,
    'muscle_weakness' AS subject,
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
    true AS has_interval,
    false AS is_expendable,
    mart
FROM cell
