-- Cells of the topic "muscle weakness": by part of the body, by perceived cause, by course of MS with nrSPMS apart (fatigue too), what
-- goes with it, and by how often patients report.
-- Grain: table_id, value_1, value_2.  Inputs: marts.weakness_by_region, marts.weakness_by_cause, marts.severity_by_course,
-- marts.standardised_share, marts.beside_weakness, marts.weakness_by_completeness.
-- A patient may count in several regions: they are no parts of a sum, each leaves a remainder of its own. But the latest day of
-- all is the latest of some region, so that whoever is weak is so in one region at least: regions cover each severity. They do
-- not cover those who reported, since "none" by region is not shown. Causes exclude one another.
WITH region AS (
    SELECT
        'weakness_by_region' AS table_id,
        region_position * 10 + position AS position,
        'muscle_weakness' AS subject,
        'body_region' AS dimension_1,
        body_region AS value_1,
        'severity' AS dimension_2,
        severity_group AS value_2,
        'condition=ms|window=365d|symptom=muscle_weakness|body_region=' || body_region || '|severity=' AS stem,
        stem || severity_group AS cell_key,
        'condition=ms|window=365d|symptom=muscle_weakness' AS denominator_key,
        denominator_key || '|severity=' || severity_group AS covers_key,
        patient_count AS cell_count,
        patient_set,
        CASE severity_group
            WHEN 'any' THEN []::STRUCT(parent VARCHAR, division VARCHAR)[]
            WHEN 'mild' THEN [{'parent': stem || 'any', 'division': 'severity'}]
            WHEN 'moderate_or_severe' THEN [{'parent': stem || 'any', 'division': 'severity'}]
            ELSE [{'parent': stem || 'moderate_or_severe', 'division': 'severity'}]
        END AS part_of,
        'weakness_by_region' AS mart
    FROM marts.weakness_by_region
),
cause AS (
    SELECT
        'weakness_by_cause' AS table_id,
        position,
        'muscle_weakness' AS subject,
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
severity AS (
    SELECT
        by_course.*,
        'condition=ms|window=365d|symptom=' || by_course.symptom_code AS reporting_stem,
        CASE by_course.severity_group
            WHEN 'reporting' THEN reporting_stem
            ELSE reporting_stem || '|severity=' || by_course.severity_group
        END AS stem,
        course_key(reporting_stem, by_course.course) AS reporting_key,
        standardised.share_ratio,
        standardised.low_ratio,
        standardised.high_ratio,
        standardised.course IS NOT NULL AS is_standardised
    FROM marts.severity_by_course AS by_course
    LEFT JOIN marts.standardised_share AS standardised
        ON standardised.symptom_code = by_course.symptom_code
        AND standardised.course = by_course.course
        AND standardised.severity_group = by_course.severity_group
),
difference AS (
    SELECT
        symptom_code,
        severity_group,
        max(patient_count) FILTER (course = 'nrspms') AS nrspms_count,
        max(patient_count) FILTER (course = 'other_courses') AS other_count
    FROM marts.severity_by_course
    GROUP BY ALL
),
course AS (
    SELECT
        CASE severity.symptom_code WHEN 'muscle_weakness' THEN 'weakness' ELSE severity.symptom_code END || '_by_course' AS table_id,
        severity.course_position * 10 + severity.position AS position,
        severity.symptom_code AS subject,
        'course' AS dimension_1,
        severity.course AS value_1,
        'severity' AS dimension_2,
        severity.severity_group AS value_2,
        course_key(severity.stem, severity.course) AS cell_key,
        CASE severity.severity_group WHEN 'reporting' THEN course_key('condition=ms', severity.course) ELSE severity.reporting_key END
            AS denominator_key,
        severity.patient_count AS cell_count,
        severity.patient_set,
        course_sums(severity.stem, severity.course) AS part_of,
        CASE WHEN severity.is_standardised THEN [{
            'statistic': 'standardised_share', 'value': severity.share_ratio, 'low': severity.low_ratio, 'high': severity.high_ratio,
            'unit': 'share', 'needs': [severity.reporting_key],
            'method': 'direct, to age and sex of nrSPMS and other courses together; Wilson at the effective number, 95 %'
        }] ELSE [] END
        || CASE WHEN severity.course = 'nrspms' AND severity.severity_group = 'moderate_or_severe' THEN [{
            'statistic': 'difference_from_other_courses',
            'value': difference.nrspms_count / total.nrspms_count - difference.other_count / total.other_count,
            'low': newcombe_low(difference.nrspms_count, total.nrspms_count, difference.other_count, total.other_count),
            'high': newcombe_high(difference.nrspms_count, total.nrspms_count, difference.other_count, total.other_count),
            'unit': 'share', 'needs': [severity.reporting_key, course_key(severity.stem, 'other_courses'),
                course_key(severity.reporting_stem, 'other_courses')],
            'method': 'difference of shares, Newcombe (1998), 95 %'
        }] ELSE [] END AS statistics,
        'severity_by_course' AS mart
    FROM severity
    JOIN difference ON difference.symptom_code = severity.symptom_code AND difference.severity_group = severity.severity_group
    JOIN difference AS total ON total.symptom_code = severity.symptom_code AND total.severity_group = 'reporting'
    -- Hardly anyone of a progressive course is without weakness or fatigue: that share would mostly be hidden, and others with it.
    WHERE severity.severity_group IN ('reporting', 'moderate_or_severe')
),
beside AS (
    SELECT
        *,
        -- Of whom, among all patients and among the group, and who of these has it.
        CASE kind
            WHEN 'symptom' THEN 'condition=ms|window=365d|symptom=' || beside
            WHEN 'activity' THEN 'condition=ms|window=365d|activity=' || beside
            ELSE 'condition=ms|window=365d|reported=falls'
        END AS all_asked_key,
        CASE kind
            WHEN 'symptom' THEN all_asked_key || '|severity=any'
            WHEN 'activity' THEN all_asked_key || '|difficulty=some_or_more'
            ELSE 'condition=ms|window=365d|falls=any'
        END AS all_with_key,
        CASE weakness_group
            WHEN 'moderate_or_severe' THEN 'condition=ms|window=365d|symptom=muscle_weakness|severity=moderate_or_severe'
            WHEN 'none_or_mild' THEN 'condition=ms|window=365d|symptom=muscle_weakness|severity=none_or_mild'
            ELSE all_asked_key
        END AS group_key,
        all_asked_key || '|weakness=' || weakness_group AS asked_key,
        all_with_key || '|weakness=' || weakness_group AS with_key
    FROM marts.beside_weakness
),
-- The groups themselves: those of moderate or severe weakness stand in the topic of symptoms, the others are the rest.
mild AS (
    SELECT
        'weakness_none_or_mild' AS table_id,
        1 AS position,
        'muscle_weakness' AS subject,
        'weakness' AS dimension_1,
        'none_or_mild' AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|window=365d|symptom=muscle_weakness|severity=none_or_mild' AS cell_key,
        'condition=ms|window=365d|symptom=muscle_weakness' AS denominator_key,
        sum(patient_count)::BIGINT AS cell_count,
        bit_xor(patient_set) AS patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        'symptom_prevalence' AS mart
    FROM marts.symptom_prevalence
    WHERE symptom_code = 'muscle_weakness' AND severity_group IN ('none', 'mild')
    HAVING count(*) > 0
),
asked AS (
    SELECT
        CASE kind WHEN 'activity' THEN 'activities_beside_weakness_asked' ELSE 'beside_weakness_asked' END AS table_id,
        position * 10 + group_position AS position,
        'muscle_weakness' AS subject,
        CASE kind WHEN 'activity' THEN 'activity' ELSE 'beside' END AS dimension_1,
        beside AS value_1,
        'weakness' AS dimension_2,
        weakness_group AS value_2,
        asked_key AS cell_key,
        group_key AS denominator_key,
        asked_count AS cell_count,
        asked_set AS patient_set,
        [{'parent': all_asked_key, 'division': 'weakness'}] AS part_of,
        'beside_weakness' AS mart
    FROM beside
),
gone_with AS (
    SELECT
        CASE beside.kind WHEN 'activity' THEN 'activities_beside_weakness' ELSE 'beside_weakness' END AS table_id,
        beside.position * 10 + beside.group_position AS position,
        'muscle_weakness' AS subject,
        CASE beside.kind WHEN 'activity' THEN 'activity' ELSE 'beside' END AS dimension_1,
        beside.beside AS value_1,
        'weakness' AS dimension_2,
        beside.weakness_group AS value_2,
        beside.with_key AS cell_key,
        beside.asked_key AS denominator_key,
        beside.with_count AS cell_count,
        beside.with_set AS patient_set,
        [{'parent': beside.all_with_key, 'division': 'weakness'}] AS part_of,
        CASE WHEN beside.weakness_group = 'moderate_or_severe' THEN [{
            'statistic': 'difference_from_none_or_mild',
            'value': beside.with_count / nullif(beside.asked_count, 0) - other.with_count / nullif(other.asked_count, 0),
            'low': newcombe_low(beside.with_count, beside.asked_count, other.with_count, other.asked_count),
            'high': newcombe_high(beside.with_count, beside.asked_count, other.with_count, other.asked_count),
            'unit': 'share', 'needs': [beside.asked_key, other.with_key, other.asked_key],
            'method': 'difference of shares, Newcombe (1998), 95 %'
        }] END AS statistics,
        'beside_weakness' AS mart
    FROM beside
    JOIN beside AS other ON other.kind = beside.kind AND other.beside = beside.beside AND other.weakness_group = 'none_or_mild'
),
completeness AS (
    SELECT
        'weakness_by_completeness' AS table_id,
        position * 10 + group_position AS position,
        'muscle_weakness' AS subject,
        'reported_months' AS dimension_1,
        reported_months AS value_1,
        'severity' AS dimension_2,
        severity_group AS value_2,
        'condition=ms|window=365d|symptom=muscle_weakness' AS reporting_stem,
        CASE severity_group WHEN 'reporting' THEN reporting_stem ELSE reporting_stem || '|severity=' || severity_group END AS stem,
        stem || '|reported_months=' || reported_months AS cell_key,
        CASE severity_group WHEN 'reporting' THEN reporting_stem ELSE reporting_stem || '|reported_months=' || reported_months END
            AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': stem, 'division': 'reported_months'}] AS part_of,
        'weakness_by_completeness' AS mart
    FROM marts.weakness_by_completeness
),
cell AS (
    SELECT * FROM region
    UNION ALL BY NAME
    SELECT * FROM cause
    UNION ALL BY NAME
    SELECT * FROM course
    UNION ALL BY NAME
    SELECT * FROM mild
    UNION ALL BY NAME
    SELECT * FROM asked
    UNION ALL BY NAME
    SELECT * FROM gone_with
    UNION ALL BY NAME
    SELECT * FROM completeness
)
SELECT
    'weakness' AS topic,
    table_id,
    position::DOUBLE AS position,
    'symptom' AS subject_kind,
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
    NOT (table_id LIKE '%_asked' OR value_2 IS NOT DISTINCT FROM 'reporting') AS has_interval,
    false AS is_expendable,
    mart,
    statistics
FROM cell
