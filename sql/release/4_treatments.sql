-- Cells of the topic "treatments": who has taken or done what for which purpose, and how they rate it.
-- Grain: table_id (family of sources), value_1 (treatment and purpose), value_2 (rating group).
-- Inputs: marts.population (families), marts.treatment_taken, marts.treatment_effectiveness.
-- Families stand in tables of their own and are never summed over: their scales are not the same. A patient is of one.
-- Purposes overlap and cover the takers of a treatment. Nothing else covers: who rated for any purpose is not shown, and a
-- patient may have taken no treatment.
WITH family AS (
    SELECT
        'source_family' AS table_id,
        0 AS position,
        NULL AS subject_kind,
        NULL AS subject,
        'source_family' AS dimension_1,
        value AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|source_family=' || value AS cell_key,
        'condition=ms' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': 'condition=ms', 'division': 'source_family'}] AS part_of,
        false AS has_interval,
        'population' AS mart
    FROM marts.population
    WHERE dimension = 'source_family'
),
taken AS (
    SELECT
        'treatment_' || source_family AS table_id,
        0 AS position,
        'treatment' AS subject_kind,
        treatment_code AS subject,
        'treatment' AS dimension_1,
        treatment_code AS value_1,
        'rating' AS dimension_2,
        'takers' AS value_2,
        'condition=ms|source_family=' || source_family || '|treatment=' || treatment_code AS cell_key,
        'condition=ms|source_family=' || source_family AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        false AS has_interval,
        'treatment_taken' AS mart
    FROM marts.treatment_taken
),
rating AS (
    SELECT
        *,
        'condition=ms|source_family=' || source_family || '|treatment=' || treatment_code AS treatment_key,
        treatment_key || '|purpose=' || purpose_code AS takers_key,
        takers_key || '|rating=' AS stem,
        CASE rating_group
            WHEN 'cant_tell' THEN ['rated by effectiveness', 'rated by level_given']
            WHEN 'level_given' THEN ['rated by level_given']
            WHEN 'major' THEN ['rated by effectiveness', 'major_or_moderate by effectiveness']
            WHEN 'moderate' THEN ['rated by effectiveness', 'major_or_moderate by effectiveness']
            WHEN 'slight' THEN ['rated by effectiveness', 'level_given by effectiveness']
            WHEN 'none' THEN ['rated by effectiveness', 'level_given by effectiveness']
            WHEN 'major_or_moderate' THEN ['level_given by effectiveness']
            ELSE []::VARCHAR[]
        END AS sums
    FROM marts.treatment_effectiveness
),
rated AS (
    SELECT
        'treatment_' || source_family AS table_id,
        position,
        'treatment' AS subject_kind,
        treatment_code AS subject,
        'treatment for purpose' AS dimension_1,
        treatment_code || ' for ' || purpose_code AS value_1,
        'rating' AS dimension_2,
        rating_group AS value_2,
        CASE rating_group WHEN 'takers' THEN takers_key ELSE stem || rating_group END AS cell_key,
        CASE
            WHEN rating_group = 'takers' THEN treatment_key
            WHEN denominator_group = 'takers' THEN takers_key
            ELSE stem || denominator_group
        END AS denominator_key,
        CASE rating_group WHEN 'takers' THEN treatment_key END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        list_transform(sums, lambda s: {'parent': stem || split_part(s, ' ', 1), 'division': s}) AS part_of,
        rating_group NOT IN ('takers', 'rated') AS has_interval,
        'treatment_effectiveness' AS mart
    FROM rating
),
cell AS (
    SELECT * FROM family
    UNION ALL BY NAME
    SELECT * FROM taken
    UNION ALL BY NAME
    SELECT * FROM rated
)
SELECT
    'treatments' AS topic,
    table_id,
    position::DOUBLE AS position,
    subject_kind,
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
    mart
FROM cell
