-- From all members down to the patients of the report.
-- Grain: step.  Inputs: core.consent_state (members), core.consented_patient (through marts.patient).
-- `patient_set` here and in every mart is a fingerprint (patient_mark) of the patients counted: two cells with the same one count the same
-- people, whatever they are called.
WITH member AS (
    SELECT 'members' AS step, patient_id FROM core.consent_state
    UNION ALL
    SELECT 'consented' AS step, patient_id FROM core.consent_state WHERE is_consented
    UNION ALL
    SELECT 'reported_on' AS step, patient_id FROM marts.patient
),
step(step, position) AS (
    VALUES ('members', 1), ('consented', 2), ('reported_on', 3)
)
SELECT
    step.step::VARCHAR AS step,
    step.position::INTEGER AS position,
    count(member.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM step
LEFT JOIN member ON member.step = step.step
GROUP BY ALL
