-- Cells of the topic "daily life": activities and the help used for them, falls, what keeps patients from being active, pacing.
-- Grain: table_id, value_1, value_2.  Inputs: marts.activity_difficulty, marts.activity_help, marts.falls_by_course, marts.fall_rate,
-- marts.inactivity_reason, marts.pacing, marts.active_minutes.
-- Activities overlap and, with whatever else is reported, cover those who reported anything; reasons cover those who named one. `some_or_more` and falls of `any` number
-- are sums of finer cells. Falls by course add up as courses do.
WITH activity AS (
    SELECT
        *,
        'condition=ms|window=365d|activity=' || activity_code AS reporting_key,
        CASE difficulty_group
            WHEN 'none' THEN ['reporting']
            WHEN 'a_little' THEN ['reporting']
            WHEN 'some_or_more' THEN ['reporting']
            WHEN 'reporting' THEN []::VARCHAR[]
            ELSE ['some_or_more']
        END AS sums
    FROM marts.activity_difficulty
),
difficulty AS (
    SELECT
        'activity_difficulty' AS table_id,
        position,
        'activity' AS dimension_1,
        activity_code AS value_1,
        'difficulty' AS dimension_2,
        difficulty_group AS value_2,
        CASE difficulty_group WHEN 'reporting' THEN reporting_key ELSE reporting_key || '|difficulty=' || difficulty_group END AS cell_key,
        CASE difficulty_group WHEN 'reporting' THEN 'condition=ms|window=365d|reported=any' ELSE reporting_key END AS denominator_key,
        CASE difficulty_group WHEN 'reporting' THEN 'condition=ms|window=365d|reported=any' END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        list_transform(sums, lambda s: {
            'parent': CASE s WHEN 'reporting' THEN reporting_key ELSE reporting_key || '|difficulty=' || s END, 'division': 'difficulty'
        }) AS part_of,
        difficulty_group <> 'reporting' AS has_interval,
        'activity_difficulty' AS mart
    FROM activity
),
help AS (
    SELECT
        'activity_help' AS table_id,
        position,
        'activity' AS dimension_1,
        activity_code AS value_1,
        'help' AS dimension_2,
        help AS value_2,
        'condition=ms|window=365d|activity=' || activity_code || '|help=' || help AS cell_key,
        'condition=ms|window=365d|activity=' || activity_code AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': 'condition=ms|window=365d|activity=' || activity_code, 'division': 'help'}] AS part_of,
        true AS has_interval,
        'activity_help' AS mart
    FROM marts.activity_help
),
rate AS (
    SELECT
        course,
        max(rate) FILTER (fall_kind = 'falls') AS fall_rate,
        max(low_rate) FILTER (fall_kind = 'falls') AS fall_low,
        max(high_rate) FILTER (fall_kind = 'falls') AS fall_high,
        max(patient_years) FILTER (fall_kind = 'falls') AS patient_years,
        max(rate) FILTER (fall_kind = 'injurious_falls') AS injurious_rate,
        max(low_rate) FILTER (fall_kind = 'injurious_falls') AS injurious_low,
        max(high_rate) FILTER (fall_kind = 'injurious_falls') AS injurious_high
    FROM marts.fall_rate
    GROUP BY ALL
),
fallen AS (
    SELECT
        falls.*,
        rate.* EXCLUDE (course),
        'condition=ms|window=365d|reported=falls' AS reporting_stem,
        'condition=ms|window=365d|falls=' AS fall_stem,
        CASE falls.fall_group WHEN 'reporting' THEN reporting_stem ELSE fall_stem || falls.fall_group END AS stem,
        course_key(reporting_stem, falls.course) AS reporting_key,
        course_key(fall_stem || 'any', falls.course) AS any_key,
        course_key(fall_stem || 'once', falls.course) AS once_key,
        course_key(fall_stem || 'twice_or_more', falls.course) AS more_key,
        course_key(fall_stem || 'injurious', falls.course) AS injurious_key
    FROM marts.falls_by_course AS falls
    LEFT JOIN rate ON rate.course = falls.course
),
falls AS (
    SELECT
        CASE course WHEN 'all' THEN 'falls' ELSE 'falls_by_course' END AS table_id,
        course_position * 10 + position AS position,
        CASE course WHEN 'all' THEN 'falls' ELSE 'course' END AS dimension_1,
        CASE course WHEN 'all' THEN fall_group ELSE course END AS value_1,
        CASE WHEN course <> 'all' THEN 'falls' END AS dimension_2,
        CASE WHEN course <> 'all' THEN fall_group END AS value_2,
        course_key(stem, course) AS cell_key,
        CASE
            WHEN fall_group = 'injurious' THEN any_key
            WHEN fall_group <> 'reporting' THEN reporting_key
            WHEN course = 'all' THEN 'condition=ms|window=365d|reported=any'
            ELSE course_key('condition=ms', course)
        END AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        course_sums(stem, course) || CASE
            WHEN fall_group IN ('none', 'any') AND course = 'all' THEN [{'parent': reporting_key, 'division': 'falls'}]
            WHEN fall_group IN ('once', 'twice_or_more') THEN [{'parent': any_key, 'division': 'falls'}]
            ELSE []
        END AS part_of,
        -- All falls over all time could give away how many patients fell once, or more often.
        CASE WHEN fall_group = 'reporting' AND fall_rate IS NOT NULL THEN [
            {
                'statistic': 'falls_per_patient_year', 'value': fall_rate, 'low': fall_low, 'high': fall_high,
                'unit': 'falls per patient-year', 'method': 'events over patient-years, quasi-Poisson 95 %',
                'needs': [any_key, once_key, more_key]
            },
            {
                'statistic': 'patient_years', 'value': patient_years, 'low': NULL, 'high': NULL,
                'unit': 'patient-years', 'method': 'days of the periods reported / 365.25', 'needs': []::VARCHAR[]
            }
        ] ELSE [] END
        || CASE WHEN fall_group = 'reporting' AND course = 'all' AND injurious_rate IS NOT NULL THEN [
            {
                'statistic': 'injurious_falls_per_patient_year', 'value': injurious_rate, 'low': injurious_low, 'high': injurious_high,
                'unit': 'falls per patient-year', 'method': 'events over patient-years, quasi-Poisson 95 %',
                'needs': [any_key, once_key, more_key, injurious_key]
            }
        ] ELSE [] END AS statistics,
        fall_group <> 'reporting' AS has_interval,
        'falls_by_course' AS mart
    FROM fallen
    -- By course only what is needed to tell courses apart: of each cell more, few are left of small courses.
    WHERE course = 'all' OR fall_group IN ('reporting', 'any', 'once', 'twice_or_more')
),
week AS (
    SELECT
        'inactivity_reason' AS table_id,
        position,
        'inactivity_reason' AS dimension_1,
        reason AS value_1,
        'condition=ms|window=365d|reported=week|inactivity_reason=' || reason AS cell_key,
        CASE reason
            WHEN 'named' THEN 'condition=ms|window=365d|reported=week'
            ELSE 'condition=ms|window=365d|reported=week|inactivity_reason=named'
        END AS denominator_key,
        CASE WHEN reason <> 'named' THEN 'condition=ms|window=365d|reported=week|inactivity_reason=named' END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        reason <> 'named' AS has_interval,
        'inactivity_reason' AS mart
    FROM marts.inactivity_reason
),
pacing AS (
    SELECT
        'pacing' AS table_id,
        position,
        'pacing' AS dimension_1,
        pacing AS value_1,
        'condition=ms|window=365d|reported=week|pacing=' || pacing AS cell_key,
        'condition=ms|window=365d|reported=week' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': 'condition=ms|window=365d|reported=week', 'division': 'pacing'}] AS part_of,
        true AS has_interval,
        'pacing' AS mart
    FROM marts.pacing
),
active AS (
    SELECT
        'active_minutes' AS table_id,
        1 AS position,
        'measure' AS dimension_1,
        'active_minutes' AS value_1,
        'condition=ms|window=365d|reported=week|active_minutes=given' AS cell_key,
        'condition=ms|window=365d|reported=week' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        [{
            'statistic': 'mean_active_minutes', 'value': mean_minutes, 'low': low_minutes, 'high': high_minutes,
            'unit': 'minutes a week', 'method': 'mean of patients, t, 95 %', 'needs': []::VARCHAR[]
        }] AS statistics,
        false AS has_interval,
        'active_minutes' AS mart
    FROM marts.active_minutes
),
cell AS (
    SELECT * FROM difficulty
    UNION ALL BY NAME
    SELECT * FROM help
    UNION ALL BY NAME
    SELECT * FROM falls
    UNION ALL BY NAME
    SELECT * FROM week
    UNION ALL BY NAME
    SELECT * FROM pacing
    UNION ALL BY NAME
    SELECT * FROM active
)
SELECT
    'daily_life' AS topic,
    table_id,
    position::DOUBLE AS position,
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
