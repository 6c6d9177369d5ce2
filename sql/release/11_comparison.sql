-- Cells of the topic "treatments compared": for each treatment and outcome who is compared, the difference, the balance.
-- Grain: table_id (one of each kind for each outcome), value_1 (treatment), value_2.
-- Inputs: marts.comparison_group, marts.comparison, marts.comparison_balance.
-- A difference is NULL where it is refused: no word says so but that, since a reason would say that there are 30 pairs or fewer.
-- Outcomes that a treatment cannot move stand in tables of their own, the negative controls.
WITH comparison_group AS (
    SELECT
        *,
        'condition=ms|source_family=native|treatment=' || treatment_code AS takers_key,
        'condition=ms|months=36|treatment=' || treatment_code || '|outcome=' || outcome_code || '|comparison=' AS stem,
        CASE comparison_group
            WHEN 'started' THEN takers_key || '|months=36|started'
            ELSE stem || comparison_group
        END AS cell_key,
        CASE comparison_group
            WHEN 'started' THEN takers_key
            WHEN 'matched' THEN takers_key || '|months=36|started'
            WHEN 'still_taking' THEN stem || 'matched'
            WHEN 'controls' THEN 'condition=ms|source_family=native'
            ELSE stem || 'controls'
        END AS denominator_key
    FROM marts.comparison_group
    -- The few who are left over at each step between starting and being matched would hide all of them.
    WHERE comparison_group NOT IN ('eligible', 'followed')
),
followed AS (
    SELECT
        'comparison_followed_' || outcome_code AS table_id,
        position,
        treatment_code,
        'comparison_group' AS dimension_2,
        comparison_group AS value_2,
        cell_key,
        denominator_key,
        patient_count AS cell_count,
        patient_set,
        'comparison_group' AS mart,
        []::STRUCT(
            statistic VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, method VARCHAR, needs VARCHAR[]
        )[] AS statistics
    FROM comparison_group
),
estimated AS (
    SELECT
        comparison_group.*,
        estimate.difference,
        estimate.low,
        estimate.high,
        estimate.imbalance,
        estimate.still_difference,
        estimate.still_low,
        estimate.still_high,
        estimate.still_imbalance,
        estimate.e_value,
        estimate.e_value_limit,
        estimate.q_value,
        CASE
            WHEN comparison_group.outcome_code IN ('muscle_weakness', 'fatigue', 'vision_problems') THEN 'levels'
            ELSE 'points'
        END AS difference_unit,
        'nested monthly trials, matched 1:1 on the propensity; least squares on what is matched, errors by patient' AS method,
        -- Of whom the difference is: a control may be compared in several months, so that pairs are no fewer than controls.
        [stem || 'matched', stem || 'controls'] AS compared
    FROM comparison_group
    LEFT JOIN marts.comparison AS estimate
        ON estimate.treatment_code = comparison_group.treatment_code AND estimate.outcome_code = comparison_group.outcome_code
    WHERE comparison_group.comparison_group IN ('matched', 'still_taking')
),
difference AS (
    SELECT
        CASE WHEN is_control THEN 'comparison_control_' ELSE 'comparison_difference_' END || outcome_code AS table_id,
        position,
        treatment_code,
        'comparison_estimand' AS dimension_2,
        CASE comparison_group WHEN 'matched' THEN 'started' ELSE 'still_taking' END AS value_2,
        cell_key,
        denominator_key,
        patient_count AS cell_count,
        patient_set,
        'comparison' AS mart,
        CASE comparison_group
            WHEN 'matched' THEN [
                {
                    'statistic': 'difference', 'value': difference, 'low': low, 'high': high,
                    'unit': difference_unit, 'method': method, 'needs': compared
                },
                {
                    'statistic': 'imbalance', 'value': imbalance, 'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
                    'unit': 'standard deviations', 'method': 'greatest standardised difference after matching', 'needs': compared
                },
                {
                    'statistic': 'e_value', 'value': e_value, 'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
                    'unit': 'risk ratio', 'method': 'VanderWeele and Ding 2017, risk ratio as exp(.91 d)', 'needs': compared
                },
                {
                    'statistic': 'e_value_limit', 'value': e_value_limit, 'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
                    'unit': 'risk ratio', 'method': 'of the limit nearer to no difference; 1 if the interval holds none',
                    'needs': compared
                },
                {
                    'statistic': 'q_value', 'value': q_value, 'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
                    'unit': 'probability', 'method': 'Benjamini-Hochberg over all treatments with this outcome, refused ones too',
                    'needs': compared
                }
            ]
            ELSE [
                {
                    'statistic': 'difference', 'value': still_difference, 'low': still_low, 'high': still_high,
                    'unit': difference_unit, 'method': method, 'needs': compared
                },
                {
                    'statistic': 'imbalance', 'value': still_imbalance, 'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
                    'unit': 'standard deviations', 'method': 'greatest standardised difference after matching', 'needs': compared
                }
            ]
        END AS statistics
    FROM estimated
),
balance AS (
    SELECT
        treatment_code,
        outcome_code,
        matching,
        list({
            'statistic': 'balance_' || covariate, 'value': difference, 'low': NULL::DOUBLE, 'high': NULL::DOUBLE,
            'unit': 'standard deviations', 'method': 'standardised difference, in deviations before matching',
            'needs': [
                'condition=ms|months=36|treatment=' || treatment_code || '|outcome=' || outcome_code || '|comparison=matched',
                'condition=ms|months=36|treatment=' || treatment_code || '|outcome=' || outcome_code || '|comparison=controls'
            ]
        } ORDER BY covariate) AS statistics
    FROM marts.comparison_balance
    GROUP BY ALL
),
balanced AS (
    SELECT
        'comparison_balance_' || comparison_group.outcome_code AS table_id,
        (balance.matching = 'after')::INTEGER AS position,
        comparison_group.treatment_code,
        'comparison_matching' AS dimension_2,
        balance.matching AS value_2,
        comparison_group.cell_key || '|balance=' || balance.matching AS cell_key,
        comparison_group.denominator_key,
        comparison_group.patient_count AS cell_count,
        comparison_group.patient_set,
        'comparison_balance' AS mart,
        balance.statistics
    FROM comparison_group
    JOIN balance
        ON balance.treatment_code = comparison_group.treatment_code
        AND balance.outcome_code = comparison_group.outcome_code
    WHERE comparison_group.comparison_group = 'matched'
),
cell AS (
    SELECT * FROM followed
    UNION ALL BY NAME
    SELECT * FROM difference
    UNION ALL BY NAME
    SELECT * FROM balanced
)
SELECT
    'comparison' AS topic,
    table_id,
    position::DOUBLE AS position,
    'treatment' AS subject_kind,
    treatment_code AS subject,
    'treatment' AS dimension_1,
    treatment_code AS value_1,
    dimension_2,
    value_2,
    cell_key,
    denominator_key,
    cell_count,
    patient_set,
    []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
    'patients' AS unit,
    false AS has_interval,
    false AS is_expendable,
    mart,
    statistics
FROM cell
