-- Of the patients whose latest report in the window says that a symptom is there: who says whether heat or exertion makes it worse.
-- Grain: symptom_code, trigger, answer.  Inputs: marts.symptom_status.
-- `answered` is the denominator of `worse`. Only symptoms of which at least one patient answered.
WITH felt AS (
    SELECT symptom_code, patient_id, 'heat' AS trigger, is_worse_with_heat AS is_worse
    FROM marts.symptom_status
    WHERE severity > 0
    UNION ALL
    SELECT symptom_code, patient_id, 'exertion' AS trigger, is_worse_after_exertion AS is_worse
    FROM marts.symptom_status
    WHERE severity > 0
),
answer(answer, position) AS (
    VALUES ('answered', 1), ('worse', 2)
),
counted AS (
    SELECT
        felt.symptom_code,
        felt.trigger,
        answer.answer,
        answer.position,
        count(*) FILTER (answer.answer = 'answered' OR felt.is_worse) AS patient_count,
        coalesce(bit_xor(patient_mark(felt.patient_id)) FILTER (answer.answer = 'answered' OR felt.is_worse), 0) AS patient_set
    FROM felt
    CROSS JOIN answer
    WHERE felt.is_worse IS NOT NULL
    GROUP BY ALL
)
SELECT
    symptom_code,
    trigger::VARCHAR AS trigger,
    answer::VARCHAR AS answer,
    position::INTEGER AS position,
    patient_count::BIGINT AS patient_count,
    patient_set::UHUGEINT AS patient_set
FROM counted
