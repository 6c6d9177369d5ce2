-- Cells of the topic "who reports".
-- Grain: table_id, value_1.  Inputs: marts.membership, marts.population.
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
person AS (
    SELECT
        CASE dimension WHEN 'nrspms' THEN 'ms_course' ELSE dimension END AS table_id,
        position,
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
        }] AS part_of,
        'population' AS mart
    FROM marts.population
    WHERE dimension <> 'source_family'
),
cell AS (
    SELECT * FROM member
    UNION ALL BY NAME
    SELECT * FROM person
)
SELECT
    'who_reports' AS topic,
    table_id,
    -- nrSPMS stands right below SPMS, of which it is a part.
    CASE WHEN dimension_2 = 'nrspms' THEN 3.0 + position / 10.0 ELSE position END::DOUBLE AS position,
    dimension_1,
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
    false AS has_interval,
    -- The way down to the patients of the report is worth less than the figures on them: it is hidden first.
    cell_key IN ('members', 'consented') AS is_expendable,
    mart
FROM cell
