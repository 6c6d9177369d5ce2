-- Cells of the topic "who reports".
-- Grain: table_id, value_1, value_2.  Inputs: marts.membership, marts.participation, marts.population, marts.population_profile,
-- marts.ambulation_by_course, marts.response, marts.assessment_mode, marts.relapse_rate.
-- Every file of this folder yields the same columns. cell_key names one set of patients, whatever table shows it; the parts of
-- the sums it stands in are listed in part_of; a share of denominator_key leaves a remainder, which needs no row of its own.
-- subject_kind and subject (symptom fatigue) may be left out where a row is about no one thing. `statistics`, a list of
-- STRUCT(statistic, value, low, high, unit, method, needs VARCHAR[]), are figures about the patients of the cell that are no
-- counts; `needs` names further cells they could be computed back to.
-- Cells with the same covers_key may overlap, and cover it: everyone of it is in one of them at least. Their sum then leaves an excess.
WITH member AS (
    SELECT
        'membership' AS table_id,
        position,
        'member' AS dimension_1,
        step AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        CASE step WHEN 'reported_on' THEN 'condition=ms' ELSE step END AS cell_key,
        CASE step WHEN 'consented' THEN 'members' WHEN 'reported_on' THEN 'consented' END AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        'membership' AS mart
    FROM marts.membership
),
-- Who reported anything is a part of the patients, and who reported a kind of thing of those: each step leaves a remainder. With
-- all symptoms and activities, which stand in other topics, the kinds cover it.
reported AS (
    SELECT
        'membership' AS table_id,
        position,
        'member' AS dimension_1,
        CASE reported WHEN 'any' THEN 'in_window' ELSE 'in_window_' || reported END AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|window=365d|' || CASE WHEN reported IN ('muscle_weakness', 'fatigue') THEN 'symptom=' ELSE 'reported=' END || reported
            AS cell_key,
        CASE reported WHEN 'any' THEN 'condition=ms' ELSE 'condition=ms|window=365d|reported=any' END AS denominator_key,
        CASE WHEN reported <> 'any' THEN 'condition=ms|window=365d|reported=any' END AS covers_key,
        patient_count AS cell_count,
        patient_set,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        'participation' AS mart
    FROM marts.participation
),
person AS (
    SELECT
        CASE dimension WHEN 'nrspms' THEN 'ms_course' ELSE dimension END AS table_id,
        -- nrSPMS stands right below SPMS, of which it is a part.
        CASE dimension WHEN 'nrspms' THEN 3.0 + position / 10.0 ELSE position END AS position,
        CASE dimension WHEN 'nrspms' THEN 'ms_course' ELSE dimension END AS dimension_1,
        CASE dimension WHEN 'nrspms' THEN 'spms' ELSE value END AS value_1,
        CASE dimension WHEN 'nrspms' THEN 'nrspms' END AS dimension_2,
        CASE dimension WHEN 'nrspms' THEN value END AS value_2,
        CASE dimension
            WHEN 'nrspms' THEN 'condition=ms|ms_course=spms|nrspms=' || value
            ELSE 'condition=ms|' || dimension || '=' || value
        END AS cell_key,
        'condition=ms' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{
            'parent': CASE dimension WHEN 'nrspms' THEN 'condition=ms|ms_course=spms' ELSE 'condition=ms' END,
            'division': dimension
        }]
        -- Courses that are taken together where nrSPMS is compared with the others.
        || CASE
            WHEN dimension NOT IN ('ms_course', 'nrspms') OR value = 'spms' OR (dimension = 'nrspms' AND value <> 'unknown') THEN []
            ELSE [{
                'parent': 'condition=ms|course=' || CASE
                    WHEN value IN ('cis', 'rrms') THEN 'relapsing'
                    WHEN value IN ('ppms', 'prms') THEN 'primary'
                    ELSE 'not_known'
                END,
                'division': 'ms_course'
            }]
        END AS part_of,
        'population' AS mart
    FROM marts.population
    WHERE dimension <> 'source_family'
),
profile AS (
    SELECT
        dimension AS table_id,
        position,
        dimension AS dimension_1,
        value AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        CASE dimension
            WHEN 'dmt_class' THEN 'condition=ms|dmt_status=current'
            WHEN 'years_since_progression' THEN 'condition=ms|ms_course=spms'
            ELSE 'condition=ms'
        END AS denominator_key,
        CASE dimension
            WHEN 'course' THEN course_key('condition=ms', value)
            ELSE denominator_key || '|' || dimension || '=' || value
        END AS cell_key,
        patient_count AS cell_count,
        patient_set,
        CASE dimension
            WHEN 'course' THEN course_sums('condition=ms', value)
            ELSE [{
                'parent': denominator_key || CASE WHEN value IN ('wheelchair', 'bed') THEN '|ambulation=wheelchair_or_bed' ELSE '' END,
                'division': dimension
            }]
        END AS part_of,
        'population_profile' AS mart
    FROM marts.population_profile
),
way AS (
    SELECT
        'ambulation_by_course' AS table_id,
        course_position * 10 + position AS position,
        'course' AS dimension_1,
        course AS value_1,
        'ambulation' AS dimension_2,
        ambulation AS value_2,
        course_key('condition=ms|ambulation=' || ambulation, course) AS cell_key,
        course_key('condition=ms', course) AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [
            {'parent': 'condition=ms|ambulation=' || ambulation, 'division': 'course'},
            {'parent': course_key('condition=ms', course), 'division': 'ambulation'}
        ] AS part_of,
        'ambulation_by_course' AS mart
    FROM marts.ambulation_by_course
),
response AS (
    SELECT
        'response_by_' || dimension AS table_id,
        position,
        dimension AS dimension_1,
        value AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|window=365d|reported=any|' || dimension || '=' || value AS cell_key,
        'condition=ms|' || dimension || '=' || value AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': 'condition=ms|window=365d|reported=any', 'division': dimension}] AS part_of,
        'response' AS mart
    FROM marts.response
),
mode AS (
    SELECT
        'assessment_mode' AS table_id,
        position,
        'mode' AS dimension_1,
        mode AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|window=365d|reported=assessment|mode=' || mode AS cell_key,
        'condition=ms|window=365d|reported=assessment' AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        [{'parent': 'condition=ms|window=365d|reported=assessment', 'division': 'mode'}] AS part_of,
        'assessment_mode' AS mart
    FROM marts.assessment_mode
),
relapse AS (
    SELECT
        'relapses' AS table_id,
        position,
        'relapse' AS dimension_1,
        relapse_group AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'condition=ms|window=365d|course=relapsing|relapse=' || relapse_group AS cell_key,
        CASE relapse_group
            WHEN 'observed' THEN 'condition=ms|course=relapsing'
            ELSE 'condition=ms|window=365d|course=relapsing|relapse=observed'
        END AS denominator_key,
        patient_count AS cell_count,
        patient_set,
        CASE
            WHEN relapse_group IN ('none', 'any')
                THEN [{'parent': 'condition=ms|window=365d|course=relapsing|relapse=observed', 'division': 'relapse'}]
            WHEN relapse_group IN ('once', 'twice_or_more')
                THEN [{'parent': 'condition=ms|window=365d|course=relapsing|relapse=any', 'division': 'relapse'}]
            ELSE []::STRUCT(parent VARCHAR, division VARCHAR)[]
        END AS part_of,
        -- All relapses over all time could give away how many patients had one, or more.
        CASE WHEN relapse_group = 'observed' THEN [
            {
                'statistic': 'relapses_per_patient_year', 'value': rate, 'low': low_rate, 'high': high_rate,
                'unit': 'relapses per patient-year', 'method': 'events over patient-years, quasi-Poisson 95 %',
                'needs': list_transform(
                    ['any', 'once', 'twice_or_more'], lambda g: 'condition=ms|window=365d|course=relapsing|relapse=' || g
                )
            },
            {
                'statistic': 'patient_years', 'value': patient_years, 'low': NULL, 'high': NULL,
                'unit': 'patient-years', 'method': 'days observed / 365.25', 'needs': []::VARCHAR[]
            }
        ] END AS statistics,
        'relapse_rate' AS mart
    FROM marts.relapse_rate
),
cell AS (
    SELECT * FROM member
    UNION ALL BY NAME
    SELECT * FROM reported
    UNION ALL BY NAME
    SELECT * FROM person
    UNION ALL BY NAME
    SELECT * FROM profile
    UNION ALL BY NAME
    SELECT * FROM way
    UNION ALL BY NAME
    SELECT * FROM response
    UNION ALL BY NAME
    SELECT * FROM mode
    UNION ALL BY NAME
    SELECT * FROM relapse
)
SELECT
    'who_reports' AS topic,
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
    -- Members and patients are counted completely; whether a patient had a relapse or answered is one draw of many.
    table_id IN ('ambulation_by_course', 'relapses') AND value_1 <> 'observed' AS has_interval,
    -- The way down to the patients of the report is worth less than the figures on them: it is hidden first.
    cell_key IN ('members', 'consented') AS is_expendable,
    mart,
    statistics
FROM cell
