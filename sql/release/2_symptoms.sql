-- Cells of the topic "symptoms": severity of each symptom, of the patients who reported on it in the window.
-- Grain: value_1 (symptom), value_2 (severity group).  Inputs: marts.symptom_prevalence.
-- `any` and `moderate_or_severe` are sums of levels, so that each level is a part of more than one sum.
-- Symptoms cover nothing that is shown: a patient may have reported on none.
WITH severity AS (
    SELECT
        symptom_code,
        severity_group,
        position,
        patient_count,
        patient_set,
        'condition=ms|window=365d|symptom=' || symptom_code AS reporting_key,
        CASE severity_group
            WHEN 'reporting' THEN []::VARCHAR[]
            WHEN 'none' THEN ['reporting by level', 'reporting by any']
            WHEN 'any' THEN ['reporting by any']
            WHEN 'mild' THEN ['reporting by level', 'any by level']
            WHEN 'moderate_or_severe' THEN ['any by level']
            ELSE ['reporting by level', 'moderate_or_severe by level']
        END AS sums
    FROM marts.symptom_prevalence
),
cell AS (
    SELECT
        *,
        CASE severity_group WHEN 'reporting' THEN reporting_key ELSE reporting_key || '|severity=' || severity_group END AS cell_key,
        list_transform(
            sums,
            lambda s: {
                'parent': CASE WHEN s LIKE 'reporting %' THEN reporting_key ELSE reporting_key || '|severity=' || split_part(s, ' ', 1) END,
                'division': s
            }
        ) AS part_of
    FROM severity
)
SELECT
    'symptoms' AS topic,
    'symptom_severity' AS table_id,
    position::DOUBLE AS position,
    'symptom' AS subject_kind,
    symptom_code AS subject,
    'symptom' AS dimension_1,
    symptom_code AS value_1,
    'severity' AS dimension_2,
    severity_group AS value_2,
    cell_key,
    CASE severity_group WHEN 'reporting' THEN 'condition=ms' ELSE reporting_key END AS denominator_key,
    patient_count AS cell_count,
    patient_set,
    part_of,
    NULL AS covers_key,
    'patients' AS unit,
    severity_group <> 'reporting' AS has_interval,
    false AS is_expendable,
    'symptom_prevalence' AS mart
FROM cell
