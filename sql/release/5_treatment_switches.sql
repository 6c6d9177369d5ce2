-- Cells of the topic "treatments": which treatment of the same strategy those began next who no longer use one.
-- Grain: table_id, subject (treatment), value_1.  Inputs: marts.treatment_switch, marts.treatment_taken (which have details).
-- Whether another was begun of treatments that at least 100 have taken, which one of those of 300: see marts.treatment_taken. Of
-- native sources only: translated ones hold ratings, not dates. Those who stopped stand in 5_treatment_course.
-- Where something must be hidden, it is hidden here before anything else of the treatment.
WITH switch AS (
    SELECT
        switch.*,
        'condition=ms|source_family=' || switch.source_family || '|treatment=' || switch.treatment_code || '|use=stopped' AS stopped_key,
        stopped_key || '|next=followed' AS followed_key,
        stopped_key || '|next=switched' AS switched_key
    FROM marts.treatment_switch AS switch
    JOIN marts.treatment_taken AS taken
        ON taken.source_family = switch.source_family AND taken.treatment_code = switch.treatment_code
    WHERE switch.source_family = 'native' AND taken.has_details AND (taken.has_causes OR switch.position <= 4)
)
SELECT
    'treatments' AS topic,
    'switches_' || source_family AS table_id,
    position::DOUBLE AS position,
    'treatment' AS subject_kind,
    treatment_code AS subject,
    'next_treatment' AS dimension_1,
    next_treatment AS value_1,
    NULL AS dimension_2,
    NULL AS value_2,
    stopped_key || '|next=' || next_treatment AS cell_key,
    CASE WHEN next_treatment IN ('followed', 'not_followed') THEN stopped_key ELSE followed_key END AS denominator_key,
    patient_count AS cell_count,
    patient_set,
    CASE
        WHEN next_treatment IN ('followed', 'not_followed') THEN [{'parent': stopped_key, 'division': 'followed'}]
        WHEN next_treatment IN ('none_known', 'switched') THEN [{'parent': followed_key, 'division': 'next'}]
        ELSE [{'parent': switched_key, 'division': 'next'}]
    END AS part_of,
    NULL AS covers_key,
    'patients' AS unit,
    true AS has_interval,
    true AS is_expendable,
    'treatment_switch' AS mart
FROM switch
