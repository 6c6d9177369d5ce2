-- Cells of the topic "instruments": the latest scores of each scale, and time to lasting worsening.
-- Grain: table_id, value_1 (scale), value_2.  Inputs: marts.score_distribution, marts.score_band, marts.score_worsening_curve,
-- marts.scale (units).
-- A scale has rows once eleven patients have a score of it: a version's name comes from the source and is no word of ours.
-- Of time to worsening every step is a sum: who was followed before it = who worsened + who was no longer followed + who was
-- followed beyond it. The curve could be computed back to all of these.
WITH distribution AS (
    SELECT
        score.*,
        scale.unit,
        'condition=ms|window=365d|score=' || score.instrument_scale AS scored_key,
        CASE WHEN score.patient_count >= 30 THEN 't distribution, 95 %' ELSE 'BCa bootstrap over patients, 2,000 times, 95 %' END AS mean_method
    FROM marts.score_distribution AS score
    JOIN marts.scale AS scale ON scale.instrument_code = score.instrument_code AND scale.scale = score.scale
    WHERE score.patient_count >= 11
),
scored AS (
    SELECT
        'score_distribution' AS table_id,
        1 AS position,
        instrument_code,
        instrument_scale,
        'score_group' AS dimension_2,
        'scored' AS value_2,
        scored_key AS cell_key,
        'condition=ms' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        false AS has_interval,
        11 AS at_least,
        'score_distribution' AS mart,
        [
            {'statistic': 'mean_score', 'value': mean_score, 'low': low_score, 'high': high_score, 'unit': unit, 'method': mean_method, 'needs': []::VARCHAR[]},
            {'statistic': 'sd_score', 'value': sd_score, 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'standard deviation', 'needs': []::VARCHAR[]},
            {'statistic': 'quartile_1_score', 'value': quartile_1_score, 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'quartile, interpolated', 'needs': []::VARCHAR[]},
            {'statistic': 'median_score', 'value': median_score, 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'median', 'needs': []::VARCHAR[]},
            {'statistic': 'quartile_3_score', 'value': quartile_3_score, 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'quartile, interpolated', 'needs': []::VARCHAR[]}
        ]::STRUCT(statistic VARCHAR, "value" DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, "method" VARCHAR, needs VARCHAR[])[] AS statistics
    FROM distribution
),
ended AS (
    SELECT
        'score_distribution' AS table_id,
        side.position,
        distribution.instrument_code,
        distribution.instrument_scale,
        'score_group' AS dimension_2,
        -- Where nobody says which end is the good one, the ends have no names.
        CASE distribution.worse_sign * side.sign WHEN 1 THEN 'at_worst' WHEN -1 THEN 'at_best' ELSE side.name END AS value_2,
        distribution.scored_key || '|at=' || side.name AS cell_key,
        distribution.scored_key AS denominator_key,
        CASE WHEN side.sign < 0 THEN distribution.minimum_count ELSE distribution.maximum_count END AS cell_count,
        CASE WHEN side.sign < 0 THEN distribution.minimum_set ELSE distribution.maximum_set END AS patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        true AS has_interval,
        'score_distribution' AS mart,
        [{
            'statistic': 'is_crowded',
            'value': CASE WHEN side.sign < 0 THEN distribution.is_minimum_crowded ELSE distribution.is_maximum_crowded END::INTEGER,
            'low': NULL, 'high': NULL, 'unit': 'flag', 'method': 'more than 15 % at this end', 'needs': []::VARCHAR[]
        }]::STRUCT(statistic VARCHAR, "value" DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, "method" VARCHAR, needs VARCHAR[])[] AS statistics
    FROM distribution
    CROSS JOIN (VALUES ('minimum', -1, 2), ('maximum', 1, 3)) AS side(name, sign, position)
),
banded AS (
    SELECT
        'score_band' AS table_id,
        band.band_position AS position,
        band.instrument_code,
        band.instrument_scale,
        'band' AS dimension_2,
        band.band AS value_2,
        distribution.scored_key || '|band=' || band.band AS cell_key,
        distribution.scored_key AS denominator_key,
        band.patient_count AS cell_count,
        band.patient_set,
        [{'parent': distribution.scored_key, 'division': 'band'}] AS part_of,
        true AS has_interval,
        'score_band' AS mart
    FROM marts.score_band AS band
    JOIN distribution ON distribution.instrument_scale = band.instrument_scale
),
worsening AS (
    SELECT
        curve.*,
        'condition=ms|worsening=' || curve.instrument_scale || '|followed=' AS stem
    FROM marts.score_worsening_curve AS curve
    SEMI JOIN marts.score_worsening_curve AS begun
        ON begun.instrument_scale = curve.instrument_scale
        AND begun.until_days = 0
        AND begun.followed_count >= 11
),
followed AS (
    SELECT
        'worsening_curve' AS table_id,
        until_days AS position,
        instrument_code,
        instrument_scale,
        'days_followed' AS dimension_2,
        until_days::VARCHAR AS value_2,
        stem || until_days AS cell_key,
        CASE WHEN until_days = 0 THEN 'condition=ms' ELSE stem || '0' END AS denominator_key,
        followed_count AS cell_count,
        followed_set AS patient_set,
        CASE WHEN until_days = 0 THEN [] ELSE [{'parent': stem || from_days, 'division': 'until ' || until_days}] END AS part_of,
        false AS has_interval,
        CASE WHEN until_days = 0 THEN 11 ELSE 1 END AS at_least,
        'score_worsening_curve' AS mart,
        [{
            'statistic': 'free_ratio', 'value': free_ratio, 'low': low_ratio, 'high': high_ratio, 'unit': 'share',
            'method': 'Kaplan-Meier, Greenwood, log(-log), 95 %',
            'needs': list_transform(
                list_filter([180, 365, 730], lambda d: d <= until_days), lambda d: stem || d || '|worsened'
            ) || list_transform(
                list_filter([180, 365, 730], lambda d: d <= until_days), lambda d: stem || d || '|left'
            ) || list_transform(list_filter([0, 180, 365], lambda d: d < until_days), lambda d: stem || d)
        }]::STRUCT(statistic VARCHAR, "value" DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, "method" VARCHAR, needs VARCHAR[])[] AS statistics
    FROM worsening
),
stepped AS (
    SELECT
        'worsening_steps' AS table_id,
        worsening.until_days + CASE step.name WHEN 'left' THEN 1 ELSE 0 END AS position,
        worsening.instrument_code,
        worsening.instrument_scale,
        'worsening_step' AS dimension_2,
        step.name || '_' || worsening.until_days AS value_2,
        worsening.stem || worsening.until_days || '|' || step.name AS cell_key,
        NULL AS denominator_key,
        CASE step.name WHEN 'left' THEN worsening.left_count ELSE worsening.worsened_count END AS cell_count,
        CASE step.name WHEN 'left' THEN worsening.left_set ELSE worsening.worsened_set END AS patient_set,
        [{'parent': worsening.stem || worsening.from_days, 'division': 'until ' || worsening.until_days}] AS part_of,
        false AS has_interval,
        'score_worsening_curve' AS mart
    FROM worsening
    CROSS JOIN (VALUES ('worsened'), ('left')) AS step(name)
    WHERE worsening.until_days > 0
),
cell AS (
    SELECT * FROM scored
    UNION ALL BY NAME
    SELECT * FROM ended
    UNION ALL BY NAME
    SELECT * FROM banded
    UNION ALL BY NAME
    SELECT * FROM followed
    UNION ALL BY NAME
    SELECT * FROM stepped
)
SELECT
    'instruments' AS topic,
    table_id,
    position::DOUBLE AS position,
    'instrument' AS subject_kind,
    instrument_code AS subject,
    'instrument_scale' AS dimension_1,
    instrument_scale AS value_1,
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
    coalesce(at_least, 1) AS at_least,
    false AS is_expendable,
    mart,
    statistics
FROM cell
