-- Cells of the topic "treatments": who still uses a treatment, for how long people stay on it, and why they stop.
-- Grain: table_id, subject (treatment), value_1, value_2.
-- Inputs: marts.treatment_in_use, marts.treatment_stop_reason, marts.treatment_persistence, marts.treatment_median_time,
-- marts.treatment_stop_risk, marts.treatment_taken (which have details).
-- Of treatments that at least 100 have taken, causes of stops of those of 300: see marts.treatment_taken. Of native sources only:
-- translated ones hold ratings, not dates. Those who stopped by a day are a part of those who stopped by the
-- next, so that the stops between two days are held as well. A point of a curve could be computed back to the stops before it: it
-- stands in their cell, and needs all who were followed. Three digits of it are shown.
WITH detailed AS (
    SELECT treatment_code, strategy, has_causes, is_use_covered FROM marts.treatment_taken WHERE source_family = 'native' AND has_details
),
in_use AS (
    SELECT
        'in_use_' || source_family AS table_id,
        position,
        treatment_code AS subject,
        'use_of_treatment' AS dimension_1,
        use_group AS value_1,
        'condition=ms|source_family=' || source_family || '|treatment=' || treatment_code AS treatment_key,
        treatment_key || '|use=' || use_group AS cell_key,
        CASE WHEN use_group IN ('confirmed', 'not_confirmed') THEN treatment_key || '|use=current' ELSE treatment_key END AS denominator_key,
        CASE
            WHEN use_group = 'current' AND detailed.is_use_covered
                THEN 'condition=ms|source_family=' || source_family || '|strategy=' || detailed.strategy || '|use=current'
        END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': denominator_key, 'division': 'use'}] AS part_of,
        true AS has_interval,
        'treatment_in_use' AS mart
    FROM marts.treatment_in_use
    JOIN detailed USING (treatment_code)
    WHERE source_family = 'native'
),
stop_reason AS (
    SELECT
        'stop_reasons_' || source_family AS table_id,
        CASE reason WHEN 'given' THEN 1 WHEN 'not_given' THEN 2 ELSE 3 END AS position,
        treatment_code AS subject,
        'stop_reason' AS dimension_1,
        reason AS value_1,
        'condition=ms|source_family=' || source_family || '|treatment=' || treatment_code || '|use=stopped' AS stopped_key,
        stopped_key || '|reason=' || reason AS cell_key,
        CASE WHEN reason IN ('given', 'not_given') THEN stopped_key ELSE stopped_key || '|reason=given' END AS denominator_key,
        CASE WHEN reason NOT IN ('given', 'not_given') THEN stopped_key || '|reason=given' END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        CASE
            WHEN reason IN ('given', 'not_given') THEN [{'parent': stopped_key, 'division': 'reason'}]
            ELSE []
        END AS part_of,
        true AS has_interval,
        'treatment_stop_reason' AS mart
    FROM marts.treatment_stop_reason
    JOIN detailed USING (treatment_code)
    WHERE source_family = 'native'
),
curve AS (
    SELECT
        main.*,
        'condition=ms|source_family=' || main.source_family || '|treatment=' || main.treatment_code AS treatment_key,
        treatment_key || '|followed' AS followed_key,
        bound.remaining_ratio AS bound_ratio,
        bound.low_ratio AS bound_low,
        bound.high_ratio AS bound_high,
        median.median_days,
        coalesce(median.printed_by, 730) AS printed_by
    FROM marts.treatment_persistence AS main
    JOIN detailed ON detailed.treatment_code = main.treatment_code
    JOIN marts.treatment_persistence AS bound
        ON bound.source_family = main.source_family
        AND bound.treatment_code = main.treatment_code
        AND bound.day = main.day
        AND bound.censored_at = 'as_of'
    LEFT JOIN marts.treatment_median_time AS median
        ON median.source_family = main.source_family
        AND median.treatment_code = main.treatment_code
        AND median.printed_by IS NOT NULL
    WHERE main.censored_at = 'last_confirmed' AND main.source_family = 'native'
),
time_on AS (
    SELECT
        'time_on_' || source_family AS table_id,
        day AS position,
        treatment_code AS subject,
        'treatment' AS dimension_1,
        treatment_code AS value_1,
        'days_since_start' AS dimension_2,
        day::VARCHAR AS value_2,
        CASE day WHEN 0 THEN followed_key ELSE followed_key || '|stopped_by=' || day END AS cell_key,
        CASE day
            WHEN 0 THEN treatment_key
            WHEN 90 THEN followed_key || '|stopped_by=180'
            WHEN 180 THEN followed_key || '|stopped_by=365'
            WHEN 365 THEN followed_key || '|stopped_by=730'
            ELSE followed_key
        END AS denominator_key,
        CASE day WHEN 0 THEN followed_count ELSE stop_count END AS cell_count,
        CASE day WHEN 0 THEN followed_set ELSE patient_set END AS patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        false AS has_interval,
        'treatment_persistence' AS mart,
        [
            {
                'statistic': 'on_treatment',
                'value': round(remaining_ratio, 3),
                'low': round(low_ratio, 3),
                'high': round(high_ratio, 3),
                'unit': 'share',
                'method': 'Kaplan-Meier, delayed entry, followed to the last confirmation, 95 % log(-log)',
                'needs': [followed_key]
            },
            {
                'statistic': 'on_treatment_at_most',
                'value': round(bound_ratio, 3),
                'low': round(bound_low, 3),
                'high': round(bound_high, 3),
                'unit': 'share',
                'method': 'Kaplan-Meier, delayed entry, "current" taken at its word to the day of the report, 95 % log(-log)',
                'needs': [followed_key]
            }
        ] || CASE
            WHEN day = 0
                THEN [
                    {
                        'statistic': 'median_months',
                        'value': round(median_days / 30.4375),
                        'low': NULL::DOUBLE,
                        'high': NULL::DOUBLE,
                        'unit': 'months',
                        'method': 'Kaplan-Meier, first month by which half have stopped, within 24 months',
                        'needs': [followed_key || '|stopped_by=' || printed_by]
                    }
                ]
            ELSE []
        END AS statistics
    FROM curve
),
stop_risk AS (
    SELECT
        'stop_risk_' || source_family AS table_id,
        position,
        treatment_code AS subject,
        'stop_cause' AS dimension_1,
        stop_cause AS value_1,
        'days_since_start' AS dimension_2,
        day::VARCHAR AS value_2,
        'condition=ms|source_family=' || source_family || '|treatment=' || treatment_code || '|followed' AS followed_key,
        followed_key || '|stopped_by=' || day AS stopped_key,
        stopped_key || '|cause=' || stop_cause AS cell_key,
        CASE day
            WHEN 90 THEN followed_key || '|stopped_by=180|cause=' || stop_cause
            WHEN 180 THEN followed_key || '|stopped_by=365|cause=' || stop_cause
            ELSE stopped_key
        END AS denominator_key,
        stop_count AS cell_count,
        patient_set,
        [{'parent': stopped_key, 'division': 'cause'}] AS part_of,
        false AS has_interval,
        'treatment_stop_risk' AS mart,
        [
            {
                'statistic': 'stopped_for_cause',
                'value': round(incidence_ratio, 3),
                'low': round(low_ratio, 3),
                'high': round(high_ratio, 3),
                'unit': 'share',
                'method': 'Aalen-Johansen, delayed entry, followed to the last confirmation, 95 % log(-log)',
                'needs': [followed_key, stopped_key]
            }
        ] AS statistics
    FROM marts.treatment_stop_risk
    JOIN detailed USING (treatment_code)
    WHERE source_family = 'native' AND detailed.has_causes
),
cell AS (
    SELECT * EXCLUDE (treatment_key) FROM in_use
    UNION ALL BY NAME
    SELECT * EXCLUDE (stopped_key) FROM stop_reason
    UNION ALL BY NAME
    SELECT * FROM time_on
    UNION ALL BY NAME
    SELECT * EXCLUDE (followed_key, stopped_key) FROM stop_risk
)
SELECT
    'treatments' AS topic,
    table_id,
    position::DOUBLE AS position,
    'treatment' AS subject_kind,
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
