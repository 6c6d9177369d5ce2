-- Cells of the topic "change": scores before and after the start of a treatment.
-- Grain: table_id, value_1 (scale), value_2, subject (treatment).
-- Inputs: marts.change_start, marts.change_group, marts.change_summary, marts.scale (units).
-- Each set is a part of the one before it: takers > started on a known day > have a baseline > are due by day 90 > 180 > 365;
-- due > have both scores > the groups of these. The few who are lost on the way are cells of their own: where they are too few
-- to be shown, the number they were lost from is hidden (is_expendable) rather than the change of the others.
-- Treatments overlap and cover nothing.
-- A treatment and scale have rows once eleven patients have a baseline. Everything is of sources that date their treatments.
WITH listed AS (
    SELECT
        *,
        'condition=ms|source_family=native|treatment=' || treatment_code AS takers_key,
        takers_key || '|started=dated' AS started_key,
        takers_key || '|change=' || instrument_scale AS stem,
        stem || '|both=' || follow_up_days AS both_key
    FROM marts.change_group AS change_group
    SEMI JOIN marts.change_group AS baseline
        ON baseline.treatment_code = change_group.treatment_code
        AND baseline.instrument_scale = change_group.instrument_scale
        AND baseline.change_group = 'baseline'
        AND baseline.patient_count >= 11
),
unit_of AS (
    SELECT DISTINCT pair.instrument_scale, scale.unit
    FROM marts.change_pair AS pair
    JOIN marts.scale AS scale ON scale.instrument_code = pair.instrument_code AND scale.scale = pair.scale
),
summary AS (
    SELECT
        summary.*,
        unit_of.unit,
        CASE
            WHEN summary.patient_count >= 30 THEN 't distribution, 95 %'
            ELSE 'BCa bootstrap over patients, 2,000 times, 95 %'
        END AS mean_method
    FROM marts.change_summary AS summary
    JOIN unit_of ON unit_of.instrument_scale = summary.instrument_scale
),
started AS (
    SELECT
        'change_started' AS table_id,
        1 AS position,
        start.treatment_code,
        'treatment' AS dimension_1,
        start.treatment_code AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|source_family=native|treatment=' || start.treatment_code || '|started=dated' AS cell_key,
        'condition=ms|source_family=native|treatment=' || start.treatment_code AS denominator_key,
        count(*) AS cell_count,
        bit_xor(patient_mark(start.patient_id)) AS patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        false AS has_interval,
        true AS is_expendable,
        'change_start' AS mart
    FROM marts.change_start AS start
    SEMI JOIN listed ON listed.treatment_code = start.treatment_code
    GROUP BY ALL
),
-- What there is and what is missing: baseline and both scores are parts of a sum, so that their figures need no whole.
flow AS (
    SELECT
        'change_flow' AS table_id,
        CASE WHEN listed.change_group = 'baseline' THEN 1 ELSE listed.follow_up_days + listed.position END + missing.position / 10.0 AS position,
        listed.treatment_code,
        listed.instrument_scale AS value_1,
        'change_step' AS dimension_2,
        CASE
            WHEN missing.is_missing AND listed.change_group = 'baseline' THEN 'no_baseline'
            WHEN missing.is_missing THEN 'lost_' || listed.follow_up_days
            WHEN listed.change_group = 'baseline' THEN 'baseline'
            ELSE listed.change_group || '_' || listed.follow_up_days
        END AS value_2,
        CASE
            WHEN value_2 IN ('baseline', 'no_baseline') THEN listed.stem || '|' || value_2
            WHEN missing.is_missing THEN listed.stem || '|lost=' || listed.follow_up_days
            ELSE listed.stem || '|' || listed.change_group || '=' || listed.follow_up_days
        END AS cell_key,
        CASE listed.change_group WHEN 'baseline' THEN listed.started_key ELSE listed.stem || '|due=' || listed.follow_up_days END AS whole_key,
        CASE
            WHEN missing.is_missing THEN whole_key
            WHEN listed.change_group IN ('baseline', 'both') THEN NULL
            WHEN listed.follow_up_days = 90 THEN listed.stem || '|baseline'
            ELSE listed.stem || '|due=' || CASE listed.follow_up_days WHEN 180 THEN 90 ELSE 180 END
        END AS denominator_key,
        CASE WHEN missing.is_missing THEN whole.cell_count - listed.patient_count ELSE listed.patient_count END AS cell_count,
        CASE WHEN missing.is_missing THEN xor(whole.patient_set, listed.patient_set) ELSE listed.patient_set END AS patient_set,
        CASE WHEN listed.change_group IN ('baseline', 'both') THEN [{'parent': whole_key, 'division': 'score ' || listed.instrument_scale}] ELSE [] END AS part_of,
        false AS has_interval,
        missing.is_missing OR listed.change_group <> 'both' AS is_expendable,
        CASE WHEN value_2 = 'baseline' THEN 11 ELSE 1 END AS at_least,
        'change_group' AS mart
    FROM listed
    CROSS JOIN (VALUES (false, 0), (true, 1)) AS missing(is_missing, position)
    LEFT JOIN (
        SELECT cell_key, cell_count, patient_set FROM started
        UNION ALL
        SELECT stem || '|due=' || follow_up_days AS cell_key, patient_count AS cell_count, patient_set FROM listed WHERE change_group = 'due'
    ) AS whole
        ON whole.cell_key = CASE listed.change_group WHEN 'baseline' THEN listed.started_key ELSE listed.stem || '|due=' || listed.follow_up_days END
    WHERE (listed.change_group IN ('due', 'both') OR (listed.change_group = 'baseline' AND listed.follow_up_days = 90))
        AND NOT (missing.is_missing AND listed.change_group = 'due')
),
-- Why there is no second score, as far as records say: the parts of those who are lost.
attrition AS (
    SELECT
        'change_attrition' AS table_id,
        listed.follow_up_days + listed.position / 100.0 AS position,
        listed.treatment_code,
        listed.instrument_scale AS value_1,
        'attrition' AS dimension_2,
        listed.change_group || '_' || listed.follow_up_days AS value_2,
        listed.stem || '|' || listed.change_group || '=' || listed.follow_up_days AS cell_key,
        listed.stem || '|lost=' || listed.follow_up_days AS denominator_key,
        listed.patient_count AS cell_count,
        listed.patient_set,
        [{'parent': denominator_key, 'division': 'why'}]::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        false AS has_interval,
        true AS is_expendable,
        'change_group' AS mart
    FROM listed
    WHERE listed.change_group IN ('lost_reporting', 'lost_silent')
),
-- The scores at the start and at each follow-up: the same patients as in the flow, with their quartiles.
point AS (
    SELECT
        * REPLACE ('change_points' AS table_id, 'days_after_start' AS dimension_2),
        [
            {'statistic': 'quartile_1_score', 'value': quartiles[1], 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'quartile, interpolated', 'needs': []::VARCHAR[]},
            {'statistic': 'median_score', 'value': quartiles[2], 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'median', 'needs': []::VARCHAR[]},
            {'statistic': 'quartile_3_score', 'value': quartiles[3], 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'quartile, interpolated', 'needs': []::VARCHAR[]}
        ]::STRUCT(statistic VARCHAR, "value" DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, "method" VARCHAR, needs VARCHAR[])[] AS statistics
    FROM (
        SELECT
            flow.* REPLACE (CASE flow.value_2 WHEN 'baseline' THEN '0' ELSE listed.follow_up_days::VARCHAR END AS value_2),
            listed.quartiles,
            unit_of.unit
        FROM flow
        JOIN listed
            ON listed.treatment_code = flow.treatment_code
            AND listed.instrument_scale = flow.value_1
            AND flow.value_2 = CASE listed.change_group WHEN 'baseline' THEN 'baseline' ELSE 'both_' || listed.follow_up_days END
            AND (listed.change_group = 'both' OR (listed.change_group = 'baseline' AND listed.follow_up_days = 90))
        JOIN unit_of ON unit_of.instrument_scale = listed.instrument_scale
    )
),
mean AS (
    SELECT
        CASE listed.change_group WHEN 'both' THEN 'change_mean' WHEN 'before' THEN 'change_before' ELSE 'change_alone' END AS table_id,
        listed.follow_up_days AS position,
        listed.treatment_code,
        listed.instrument_scale AS value_1,
        'follow_up' AS dimension_2,
        listed.follow_up_days::VARCHAR AS value_2,
        CASE listed.change_group
            WHEN 'both' THEN listed.both_key
            WHEN 'before' THEN listed.both_key || '|before'
            ELSE listed.both_key || '|alone'
        END AS cell_key,
        CASE listed.change_group WHEN 'both' THEN NULL ELSE listed.both_key END AS denominator_key,
        listed.patient_count AS cell_count,
        any_value(listed.patient_set) AS patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        false AS has_interval,
        listed.change_group <> 'both' AS is_expendable,
        'change_summary' AS mart,
        flatten(list(
            CASE summary.part
                WHEN 'change' THEN [
                    {'statistic': 'mean_change', 'value': mean_score, 'low': low_score, 'high': high_score, 'unit': unit, 'method': mean_method, 'needs': []::VARCHAR[]},
                    {'statistic': 'median_change', 'value': median_change, 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'Hodges-Lehmann', 'needs': []::VARCHAR[]},
                    {'statistic': 'sd_change', 'value': sd_score, 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'standard deviation', 'needs': []::VARCHAR[]},
                    {'statistic': 'srm', 'value': srm, 'low': NULL, 'high': NULL, 'unit': 'ratio', 'method': 'mean change over its standard deviation', 'needs': []::VARCHAR[]}
                ]
                WHEN 'without_co_start' THEN [
                    {'statistic': 'mean_change', 'value': mean_score, 'low': low_score, 'high': high_score, 'unit': unit, 'method': mean_method, 'needs': []::VARCHAR[]}
                ]
                WHEN 'before' THEN [
                    {'statistic': 'mean_before_change', 'value': mean_score, 'low': low_score, 'high': high_score, 'unit': unit, 'method': mean_method, 'needs': []::VARCHAR[]}
                ]
                WHEN 'expected' THEN [
                    {'statistic': 'expected_change', 'value': mean_score, 'low': NULL, 'high': NULL, 'unit': unit, 'method': 'regression on the earlier score, patients of the same course', 'needs': []::VARCHAR[]}
                ]
                ELSE [
                    {'statistic': 'beyond_expected', 'value': mean_score, 'low': low_score, 'high': high_score, 'unit': unit, 'method': mean_method, 'needs': []::VARCHAR[]}
                ]
            END::STRUCT(statistic VARCHAR, "value" DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, "method" VARCHAR, needs VARCHAR[])[]
            ORDER BY list_position(['change', 'expected', 'beyond'], summary.part)
        ) FILTER (summary.part IS NOT NULL)) AS statistics
    FROM listed
    LEFT JOIN summary
        ON summary.treatment_code = listed.treatment_code
        AND summary.instrument_scale = listed.instrument_scale
        AND summary.follow_up_days = listed.follow_up_days
        AND list_contains(
            CASE listed.change_group WHEN 'both' THEN ['change', 'expected', 'beyond'] ELSE [listed.change_group] END, summary.part
        )
    WHERE listed.change_group IN ('both', 'before', 'without_co_start')
    GROUP BY ALL
),
-- Improved, stable and worsened are those with both scores; so are improved, no room to improve, and room but not improved.
responded AS (
    SELECT
        CASE WHEN listed.change_group LIKE '%room%' THEN 'responder_room_' ELSE 'responder_' || listed.change_group[1:3] || '_' END
            || listed.follow_up_days AS table_id,
        listed.position,
        listed.treatment_code,
        listed.instrument_scale AS value_1,
        CASE WHEN listed.change_group LIKE '%room%' THEN 'room' ELSE 'response' END AS dimension_2,
        CASE WHEN listed.change_group LIKE '%room%' THEN listed.change_group ELSE listed.change_group[5:] END AS value_2,
        listed.both_key || '|' || listed.change_group AS cell_key,
        listed.both_key AS denominator_key,
        listed.patient_count AS cell_count,
        listed.patient_set,
        list_transform(
            CASE listed.change_group
                WHEN 'mid_improved' THEN ['mid', 'improved']
                WHEN 'mid_stable' THEN ['mid']
                WHEN 'mid_worsened' THEN ['mid', 'worsened']
                WHEN 'no_room_improved' THEN ['improved']
                WHEN 'room_not_improved' THEN ['improved']
                WHEN 'no_room_worsened' THEN ['worsened']
                WHEN 'room_not_worsened' THEN ['worsened']
                ELSE ['mdc']
            END,
            lambda d: {'parent': listed.both_key, 'division': d}
        ) AS part_of,
        listed.change_group NOT LIKE '%room%' AS has_interval,
        -- The figures on room to change serve those on change: they are hidden first.
        listed.change_group LIKE '%room%' AS is_expendable,
        'change_group' AS mart,
        listed.change_group IN ('mid_improved', 'mid_worsened') AS is_direction,
        [listed.both_key, listed.stem || '|due=' || listed.follow_up_days, listed.stem || '|lost=' || listed.follow_up_days] AS bound_needs,
        CASE WHEN is_direction AND listed.patient_count + room.patient_count > 0 THEN [{
            'statistic': 'share_with_room',
            'value': listed.patient_count / (listed.patient_count + room.patient_count),
            'low': wilson_low(listed.patient_count, listed.patient_count + room.patient_count),
            'high': wilson_high(listed.patient_count, listed.patient_count + room.patient_count),
            'unit': 'share',
            'method': 'Wilson (1927), 95 %',
            'needs': [
                listed.both_key || '|no_room_' || listed.change_group[5:], listed.both_key || '|room_not_' || listed.change_group[5:]
            ]
        }] ELSE [] END::STRUCT(statistic VARCHAR, "value" DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, "method" VARCHAR, needs VARCHAR[])[] AS of_room,
        -- What the share of all who were due would be if nobody, or everybody, of those without a second score had changed so.
        CASE WHEN is_direction AND due.patient_count > 0 THEN [
            {
                'statistic': 'share_if_lost_did_not', 'value': listed.patient_count / due.patient_count, 'low': NULL, 'high': NULL,
                'unit': 'share', 'method': 'all whose score was due, those without one counted as not so', 'needs': bound_needs
            },
            {
                'statistic': 'share_if_lost_did', 'value': (listed.patient_count + due.patient_count - scored.patient_count) / due.patient_count,
                'low': NULL, 'high': NULL,
                'unit': 'share', 'method': 'all whose score was due, those without one counted as so', 'needs': bound_needs
            }
        ] ELSE [] END::STRUCT(statistic VARCHAR, "value" DOUBLE, low DOUBLE, high DOUBLE, unit VARCHAR, "method" VARCHAR, needs VARCHAR[])[] AS of_lost,
        list_concat(of_room, of_lost) AS statistics
    FROM listed
    LEFT JOIN listed AS due
        ON due.treatment_code = listed.treatment_code
        AND due.instrument_scale = listed.instrument_scale
        AND due.follow_up_days = listed.follow_up_days
        AND due.change_group = 'due'
    LEFT JOIN listed AS scored
        ON scored.treatment_code = listed.treatment_code
        AND scored.instrument_scale = listed.instrument_scale
        AND scored.follow_up_days = listed.follow_up_days
        AND scored.change_group = 'both'
    LEFT JOIN listed AS room
        ON room.treatment_code = listed.treatment_code
        AND room.instrument_scale = listed.instrument_scale
        AND room.follow_up_days = listed.follow_up_days
        AND room.change_group = 'room_not_' || listed.change_group[5:]
    WHERE listed.change_group LIKE 'mid%'
        OR listed.change_group LIKE 'mdc%'
        OR listed.change_group LIKE '%room%'
),
cell AS (
    SELECT * FROM started
    UNION ALL BY NAME
    SELECT * EXCLUDE (whole_key) FROM flow
    UNION ALL BY NAME
    SELECT * FROM attrition
    UNION ALL BY NAME
    SELECT * EXCLUDE (quartiles, unit, whole_key) FROM point
    UNION ALL BY NAME
    SELECT * FROM mean
    UNION ALL BY NAME
    SELECT * EXCLUDE (is_direction, bound_needs, of_room, of_lost) FROM responded
)
SELECT
    'change' AS topic,
    table_id,
    position::DOUBLE AS position,
    'treatment' AS subject_kind,
    treatment_code AS subject,
    coalesce(dimension_1, 'instrument_scale') AS dimension_1,
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
    coalesce(at_least, 1) AS at_least,
    is_expendable,
    mart,
    statistics
FROM cell
