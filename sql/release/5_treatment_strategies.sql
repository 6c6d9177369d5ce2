-- Cells of the topic "treatments": the strategies as a whole, whatever the treatment: who uses them, and how they rate them.
-- Grain: value_1 (strategy), value_2 (group).  Inputs: marts.treatment_strategy,
-- marts.treatment_taken.
-- Of strategies that at least 100 have used, their ratings from 300 on, and of native sources only. Treatments overlap and cover the takers, the users and the raters of their strategy: see 4_treatments and
-- 5_treatment_course. A patient may use several strategies.
-- Where something must be hidden, a strategy is before one of its treatments.
WITH detailed AS (
    SELECT DISTINCT source_family, strategy, is_strategy_rated, strategy_known_count
    FROM marts.treatment_taken
    WHERE source_family = 'native' AND is_strategy_detailed
),
strategy AS (
    SELECT
        strategy.*,
        'condition=ms|source_family=' || source_family AS family_key,
        family_key || '|strategy=' || strategy AS strategy_key,
        CASE WHEN strategy_group = 'takers' THEN detailed.strategy_known_count ELSE 1 END AS at_least
    FROM marts.treatment_strategy AS strategy
    JOIN detailed USING (source_family, strategy)
    WHERE strategy_group IN ('takers', 'current', 'stopped', 'unknown') OR detailed.is_strategy_rated
)
SELECT
    'treatments' AS topic,
    'strategies_' || source_family AS table_id,
    (
        CASE strategy
            WHEN 'physical_therapy' THEN 10
            WHEN 'assistive_device' THEN 20
            WHEN 'medication' THEN 30
            WHEN 'exercise' THEN 40
            WHEN 'diet_hydration' THEN 50
            WHEN 'rest_pacing' THEN 60
            ELSE 70
        END + position
    )::DOUBLE AS position,
    NULL AS subject_kind,
    NULL AS subject,
    'strategy' AS dimension_1,
    strategy AS value_1,
    'strategy_group' AS dimension_2,
    strategy_group AS value_2,
    CASE
        WHEN strategy_group = 'takers' THEN strategy_key
        WHEN strategy_group IN ('current', 'stopped', 'unknown') THEN strategy_key || '|use=' || strategy_group
        ELSE strategy_key || '|rating=' || strategy_group
    END AS cell_key,
    CASE
        WHEN strategy_group = 'takers' THEN family_key
        WHEN denominator_group = 'takers' THEN strategy_key
        ELSE strategy_key || '|rating=' || denominator_group
    END AS denominator_key,
    patient_count AS cell_count,
    patient_set,
    CASE
        WHEN strategy_group IN ('current', 'stopped', 'unknown') THEN [{'parent': strategy_key, 'division': 'use'}]
        WHEN strategy_group IN ('cant_tell', 'level_given') THEN [{'parent': strategy_key || '|rating=rated', 'division': 'level_given'}]
        ELSE []
    END AS part_of,
    NULL AS covers_key,
    'patients' AS unit,
    strategy_group NOT IN ('takers', 'rated') AS has_interval,
    true AS is_expendable,
    at_least,
    'treatment_strategy' AS mart
FROM strategy
