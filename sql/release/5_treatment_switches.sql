-- Cells of the topic "treatments": which treatment of the same strategy those began next who no longer use one.
-- Grain: table_id, subject (treatment), value_1.  Inputs: marts.treatment_switch, marts.treatment_taken (which have details).
-- Whether another was begun of treatments that at least 100 have taken, which one of those of 300: see marts.treatment_taken. Of
-- native sources only: translated ones hold ratings, not dates. Those who stopped stand in 5_treatment_course.
-- Those who are not followed are none known: they are always few, and apart they would hide all others.
-- Where something must be hidden, it is hidden here before anything else of the treatment.
WITH switch AS (
    SELECT
        source_family,
        treatment_code,
        CASE next_treatment WHEN 'not_followed' THEN 'none_known' ELSE next_treatment END AS next_group,
        max(position) AS position,
        sum(patient_count)::BIGINT AS patient_count,
        bit_xor(patient_set) AS patient_set
    FROM marts.treatment_switch
    WHERE source_family = 'native' AND next_treatment <> 'followed'
    GROUP BY source_family, treatment_code, next_group
),
detailed AS (
    SELECT
        switch.*,
        'condition=ms|source_family=' || switch.source_family || '|treatment=' || switch.treatment_code || '|use=stopped' AS stopped_key,
        stopped_key || '|next=switched' AS switched_key
    FROM switch
    JOIN marts.treatment_taken AS taken
        ON taken.source_family = switch.source_family AND taken.treatment_code = switch.treatment_code
    WHERE taken.has_details AND (taken.has_causes OR switch.next_group IN ('none_known', 'switched'))
)
SELECT
    'treatments' AS topic,
    'switches_' || source_family AS table_id,
    position::DOUBLE AS position,
    'treatment' AS subject_kind,
    treatment_code AS subject,
    'next_treatment' AS dimension_1,
    next_group AS value_1,
    NULL AS dimension_2,
    NULL AS value_2,
    stopped_key || '|next=' || next_group AS cell_key,
    stopped_key AS denominator_key,
    patient_count AS cell_count,
    patient_set,
    [{'parent': CASE WHEN next_group IN ('none_known', 'switched') THEN stopped_key ELSE switched_key END, 'division': 'next'}] AS part_of,
    NULL AS covers_key,
    'patients' AS unit,
    true AS has_interval,
    true AS is_expendable,
    'treatment_switch' AS mart
FROM detailed
