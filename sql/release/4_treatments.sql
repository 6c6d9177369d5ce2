-- Cells of the topic "treatments": who has taken or done what for which purpose, and how they rate it.
-- Grain: table_id (family of sources), value_1 (treatment and purpose), value_2 (rating group); in `used_for_native`, the same cells by
-- what the treatment is used for, subject (purpose), value_1 (treatment), value_2 (rating group).
-- Inputs: marts.population (families), marts.treatment_taken, marts.treatment_effectiveness, marts.treatment_shrunk_share.
-- A shrunk share could be computed back to every treatment its prior was fitted to: it needs them all. Three digits are shown.
-- Families stand in tables of their own and are never summed over: their scales are not the same. A patient is of one.
-- Purposes overlap and cover the takers of a treatment; its treatments overlap and cover the takers of a strategy, as those who rated
-- a treatment for some purpose cover those who rated a strategy. A patient may have taken no treatment.
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
        CASE
            WHEN source_family = 'native' AND is_strategy_detailed THEN 'condition=ms|source_family=native|strategy=' || strategy
        END AS covers_key,
        false AS has_interval,
        known_count AS at_least,
        'treatment_taken' AS mart
    FROM marts.treatment_taken
),
shrunk AS (
    SELECT
        source_family,
        treatment_code,
        purpose_code,
        rating_group,
        [
            {
                'statistic': 'shrunk_share',
                'value': round(shrunk_ratio, 3),
                'low': round(low_ratio, 3),
                'high': round(high_ratio, 3),
                'unit': 'share',
                'method': CASE
                    WHEN rating_group <> 'major_or_moderate' THEN 'Dirichlet, 95 %'
                    WHEN fit = 'fixed' THEN 'beta-binomial, weight 10, 95 %'
                    ELSE 'beta-binomial, 95 %'
                END,
                'needs': list_transform(
                    CASE
                        WHEN rating_group = 'major_or_moderate' THEN ['major_or_moderate']
                        ELSE ['major', 'moderate', 'slight', 'none', 'cant_tell']
                    END,
                    lambda needed: list_transform(
                        fitted_codes,
                        lambda code: 'condition=ms|source_family=' || source_family || '|treatment=' || code || '|purpose='
                            || purpose_code || '|rating=' || needed
                    )
                ).flatten()
            }
        ] AS statistics
    FROM marts.treatment_shrunk_share
),
rating AS (
    SELECT
        rated.*,
        taken.strategy,
        taken.is_strategy_rated,
        'condition=ms|source_family=' || rated.source_family || '|treatment=' || rated.treatment_code AS treatment_key,
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
    FROM marts.treatment_effectiveness AS rated
    JOIN marts.treatment_taken AS taken
        ON taken.source_family = rated.source_family AND taken.treatment_code = rated.treatment_code
),
rated AS (
    SELECT
        rating.source_family,
        rating.treatment_code,
        rating.purpose_code,
        'treatment_' || rating.source_family AS table_id,
        rating.position,
        'treatment' AS subject_kind,
        rating.treatment_code AS subject,
        'treatment for purpose' AS dimension_1,
        rating.treatment_code || ' for ' || rating.purpose_code AS value_1,
        'rating' AS dimension_2,
        rating.rating_group AS value_2,
        CASE rating.rating_group WHEN 'takers' THEN takers_key ELSE stem || rating.rating_group END AS cell_key,
        CASE
            WHEN rating.rating_group = 'takers' THEN treatment_key
            WHEN denominator_group = 'takers' THEN takers_key
            ELSE stem || denominator_group
        END AS denominator_key,
        CASE rating.rating_group
            WHEN 'takers' THEN treatment_key
            WHEN 'rated'
                THEN CASE
                    WHEN rating.source_family = 'native' AND is_strategy_rated
                        THEN 'condition=ms|source_family=native|strategy=' || strategy || '|rating=rated'
                END
        END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        list_transform(sums, lambda s: {'parent': stem || split_part(s, ' ', 1), 'division': s}) AS part_of,
        rating.rating_group NOT IN ('takers', 'rated') AS has_interval,
        shrunk.statistics,
        'treatment_effectiveness' AS mart
    FROM rating
    LEFT JOIN shrunk
        ON shrunk.source_family = rating.source_family
        AND shrunk.treatment_code = rating.treatment_code
        AND shrunk.purpose_code = rating.purpose_code
        AND shrunk.rating_group = rating.rating_group
),
used_for AS (
    SELECT
        * REPLACE (
            'used_for_' || source_family AS table_id,
            'symptom' AS subject_kind,
            purpose_code AS subject,
            'treatment' AS dimension_1,
            treatment_code AS value_1
        )
    FROM rated
    WHERE source_family = 'native' AND purpose_code <> 'not_stated' AND value_2 IN ('takers', 'rated', 'cant_tell', 'level_given', 'major_or_moderate')
),
cell AS (
    SELECT * FROM family
    UNION ALL BY NAME
    SELECT * FROM taken
    UNION ALL BY NAME
    SELECT * FROM rated
    UNION ALL BY NAME
    SELECT * FROM used_for
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
    coalesce(at_least, 1) AS at_least,
    false AS is_expendable,
    mart,
    statistics
FROM cell
