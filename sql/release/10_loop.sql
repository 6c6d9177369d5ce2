-- Cells of the topic "the loop of fatigue, inactivity and weakness": who is followed, lagged slopes, correlations, blame.
-- Grain: table_id, value_1, value_2.
-- Inputs: marts.loop_group, marts.loop_lag, marts.loop_correlation, marts.loop_third.
-- All slopes are of the same patients, so that each row of them is a cell under a name of its own, of one set. A reading would
-- say whether 30 patients or more are in that set: it is not stated unless 30 are, and 30 or none are left out, and so gives away
-- no small number.
WITH loop_group AS (
    SELECT
        *,
        CASE loop_group
            WHEN 'any' THEN 'condition=ms'
            WHEN 'fatigue_activity' THEN 'condition=ms|months=36|loop=months_4_up'
            WHEN 'activity_weakness' THEN 'condition=ms|months=36|loop=months_4_up'
            WHEN 'weakness_fatigue' THEN 'condition=ms|months=36|loop=months_4_up'
            ELSE 'condition=ms|months=36|loop=any'
        END AS denominator_key,
        'condition=ms|months=36|loop=' || loop_group AS cell_key
    FROM marts.loop_group
),
followed AS (
    SELECT
        'loop_followed' AS table_id,
        position,
        'loop_group' AS dimension_1,
        loop_group AS value_1,
        NULL::VARCHAR AS dimension_2,
        NULL::VARCHAR AS value_2,
        cell_key,
        denominator_key,
        patient_count AS cell_count,
        patient_set,
        CASE
            WHEN loop_group LIKE 'run_%' THEN [{'parent': 'condition=ms|months=36|loop=any', 'division': 'run'}]
            ELSE []::STRUCT(parent VARCHAR, division VARCHAR)[]
        END AS part_of,
        'loop_group' AS mart,
        []::STRUCT(
            statistic VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, method VARCHAR, needs VARCHAR[]
        )[] AS statistics
    FROM loop_group
    WHERE loop_group IN ('any', 'run_16_up', 'run_6_to_15', 'run_below_6', 'months_4_up')
),
counted AS (
    SELECT
        max(patient_count) FILTER (loop_group = 'any') AS any_count,
        max(patient_count) FILTER (loop_group = 'run_16_up') AS long_count
    FROM loop_group
),
lag AS (
    SELECT
        lag.*,
        lag.predictor || '_to_' || lag.outcome AS loop_arrow,
        CASE lag.predictor || ' ' || lag.outcome
            WHEN 'fatigue activity' THEN 1
            WHEN 'activity weakness' THEN 2
            WHEN 'weakness fatigue' THEN 3
            WHEN 'activity fatigue' THEN 4
            WHEN 'weakness activity' THEN 5
            WHEN 'fatigue weakness' THEN 6
            WHEN 'fatigue fatigue' THEN 7
            WHEN 'activity activity' THEN 8
            ELSE 9
        END AS arrow_position,
        CASE lag.predictor || ' ' || lag.outcome
            WHEN 'fatigue activity' THEN -1
            WHEN 'activity weakness' THEN -1
            WHEN 'weakness fatigue' THEN 1
        END AS expected_sign,
        CASE lag.outcome WHEN 'activity' THEN 'minutes a week' ELSE 'levels' END
            || CASE lag.predictor WHEN 'activity' THEN ' per minute a week' ELSE ' per level' END AS slope_unit,
        loop_group.cell_key AS set_key,
        loop_group.denominator_key,
        loop_group.patient_count AS cell_count,
        loop_group.patient_set
    FROM marts.loop_lag AS lag
    JOIN loop_group ON loop_group.loop_group = CASE lag.series WHEN 'long' THEN 'run_16_up' ELSE 'run_6_to_15' END
),
slope AS (
    SELECT
        *,
        [
            {
                'statistic': 'scaled_slope', 'value': scaled_slope, 'low': scaled_low, 'high': scaled_high,
                'unit': 'standard deviations per standard deviation',
                'method': 'within patients, detrended, on all three of the months before, half-panel jackknife; '
                    || 'interval by drawing patients, 2,000 times',
                'needs': []::VARCHAR[]
            },
            {
                'statistic': 'slope', 'value': slope, 'low': low, 'high': high,
                'unit': slope_unit,
                'method': 'within patients, detrended, on all three of the months before, half-panel jackknife; '
                    || 'interval by drawing patients, 2,000 times',
                'needs': []::VARCHAR[]
            },
            {
                'statistic': 'q_value', 'value': q_value, 'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
                'unit': 'probability',
                'method': 'Benjamini-Hochberg over all arrows between two of the three, at lags of 1 to 3 months',
                'needs': []::VARCHAR[]
            }
        ] AS statistics
    FROM lag
    WHERE series = 'long'
),
reading AS (
    SELECT
        'loop_reading' AS table_id,
        arrow_position AS position,
        'loop_arrow' AS dimension_1,
        loop_arrow AS value_1,
        'loop_reading' AS dimension_2,
        CASE
            WHEN long_count < 30 OR any_count - long_count BETWEEN 1 AND 29 OR slope IS NULL THEN 'not_stated'
            WHEN sign(slope) = expected_sign AND q_value <= 0.05 THEN 'consistent'
            ELSE 'not_consistent'
        END AS value_2,
        set_key || '|reading=' || loop_arrow AS cell_key,
        denominator_key,
        cell_count,
        patient_set,
        'loop_lag' AS mart,
        statistics
    FROM slope
    CROSS JOIN counted
    WHERE lag_months = 1 AND expected_sign IS NOT NULL
),
lagged AS (
    SELECT
        'loop_lags' AS table_id,
        arrow_position * 10 + lag_months AS position,
        'loop_arrow' AS dimension_1,
        loop_arrow AS value_1,
        'loop_lag' AS dimension_2,
        lag_months::VARCHAR AS value_2,
        set_key || '|lag=' || lag_months || '|arrow=' || loop_arrow AS cell_key,
        denominator_key,
        cell_count,
        patient_set,
        'loop_lag' AS mart,
        CASE WHEN predictor = outcome THEN statistics[1:2] ELSE statistics END AS statistics
    FROM slope
    -- The jackknife leaves too much of the bias in a state's slope on itself at longer lags.
    WHERE predictor <> outcome OR lag_months = 1
),
short AS (
    SELECT
        'loop_short' AS table_id,
        arrow_position AS position,
        'loop_arrow' AS dimension_1,
        loop_arrow AS value_1,
        NULL::VARCHAR AS dimension_2,
        NULL::VARCHAR AS value_2,
        set_key || '|arrow=' || loop_arrow AS cell_key,
        denominator_key,
        cell_count,
        patient_set,
        'loop_lag' AS mart,
        [
            {
                'statistic': 'direction',
                'value': CASE WHEN low > 0 THEN 1 WHEN high < 0 THEN -1 WHEN slope IS NOT NULL THEN 0 END::DOUBLE,
                'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
                'unit': 'sign',
                'method': 'sign of the slope where its 95 % interval does not hold 0, else 0; not corrected for short series',
                'needs': []::VARCHAR[]
            }
        ] AS statistics
    FROM lag
    WHERE series = 'short' AND expected_sign IS NOT NULL
),
together AS (
    SELECT
        'loop_together' AS table_id,
        loop_group.position * 10 + (level = 'between')::INTEGER AS position,
        'loop_pair' AS dimension_1,
        correlation.pair AS value_1,
        'loop_level' AS dimension_2,
        level AS value_2,
        CASE level
            WHEN 'within' THEN 'condition=ms|months=36|loop=' || correlation.pair
            ELSE 'condition=ms|months=36|loop=months_4_up|between=' || correlation.pair
        END AS cell_key,
        loop_group.denominator_key,
        loop_group.patient_count AS cell_count,
        loop_group.patient_set,
        'loop_correlation' AS mart,
        [
            {
                'statistic': 'correlation',
                'value': CASE level WHEN 'within' THEN within ELSE between END,
                'low': CASE level WHEN 'within' THEN within_low ELSE between_low END,
                'high': CASE level WHEN 'within' THEN within_high ELSE between_high END,
                'unit': 'correlation',
                'method': CASE level
                    WHEN 'within' THEN 'Spearman of each patient over the months, pooled by Fisher z; interval from the scatter between patients'
                    ELSE 'Spearman of patients’ means; interval by Fisher z (Fieller 1957)'
                END,
                'needs': []::VARCHAR[]
            }
        ] AS statistics
    FROM marts.loop_correlation AS correlation
    CROSS JOIN (SELECT unnest(['within', 'between']) AS level)
    JOIN loop_group ON loop_group.loop_group = CASE level WHEN 'within' THEN correlation.pair ELSE 'months_4_up' END
),
third AS (
    SELECT
        'loop_third' AS table_id,
        position,
        'activity_third' AS dimension_1,
        activity_third AS value_1,
        'loop_blame' AS dimension_2,
        cause_group AS value_2,
        'condition=ms|window=365d|symptom=muscle_weakness|severity=any|activity_third=' || activity_third AS weak_key,
        CASE cause_group WHEN 'weak' THEN weak_key ELSE weak_key || '|perceived_cause=indirect' END AS cell_key,
        CASE
            WHEN cause_group = 'blames_inactivity' THEN weak_key
            WHEN activity_third = 'any' THEN 'condition=ms|window=365d|symptom=muscle_weakness|severity=any'
            ELSE 'condition=ms|window=365d|symptom=muscle_weakness|severity=any|activity_third=any'
        END AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        CASE
            WHEN activity_third = 'any' THEN []::STRUCT(parent VARCHAR, division VARCHAR)[]
            WHEN cause_group = 'weak' THEN [{
                'parent': 'condition=ms|window=365d|symptom=muscle_weakness|severity=any|activity_third=any',
                'division': 'activity_third'
            }]
            ELSE [{
                'parent': 'condition=ms|window=365d|symptom=muscle_weakness|severity=any|activity_third=any|perceived_cause=indirect',
                'division': 'activity_third'
            }]
        END AS part_of,
        'loop_third' AS mart,
        CASE
            WHEN activity_third = 'any' AND cause_group = 'blames_inactivity' THEN [{
                'statistic': 'trend', 'value': trend_ratio, 'low': trend_low_ratio, 'high': trend_high_ratio,
                'unit': 'share per third',
                'method': 'linear trend of a share over the thirds (Cochran-Armitage)',
                'needs': list_transform(
                    ['low', 'middle', 'high'],
                    lambda name: 'condition=ms|window=365d|symptom=muscle_weakness|severity=any|activity_third=' || name
                        || '|perceived_cause=indirect'
                )
            }]
            ELSE []
        END AS statistics
    FROM marts.loop_third
),
cell AS (
    SELECT * FROM followed
    UNION ALL BY NAME
    SELECT * FROM reading
    UNION ALL BY NAME
    SELECT * FROM lagged
    UNION ALL BY NAME
    SELECT * FROM short
    UNION ALL BY NAME
    SELECT * FROM together
    UNION ALL BY NAME
    SELECT * EXCLUDE (weak_key) FROM third
)
SELECT
    'loop' AS topic,
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
    coalesce(part_of, []) AS part_of,
    'patients' AS unit,
    table_id = 'loop_third' AS has_interval,
    false AS is_expendable,
    mart,
    statistics
FROM cell
