-- From the patients of the report down to those of each kind of figure: who reported what in the window.
-- Grain: reported.  Inputs: marts.participant, marts.symptom_status.
-- `any` is the denominator of the others, which overlap. Of symptoms the two that are named here: how many reported on any symptom, or
-- on any activity, is not counted, since the few of them who did not report on one could be told.
WITH listed(reported, position) AS (
    VALUES ('any', 4), ('muscle_weakness', 5), ('fatigue', 6), ('falls', 7), ('week', 8), ('assessment', 9), ('rating', 10)
),
counted AS (
    SELECT reported, patient_id FROM marts.participant WHERE reported IN ('any', 'falls', 'week', 'assessment', 'rating')
    UNION ALL
    SELECT symptom_code AS reported, patient_id FROM marts.symptom_status WHERE symptom_code IN ('muscle_weakness', 'fatigue')
)
SELECT
    listed.reported::VARCHAR AS reported,
    listed.position::INTEGER AS position,
    count(counted.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(counted.patient_id)) FILTER (counted.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM listed
LEFT JOIN counted ON counted.reported = listed.reported
GROUP BY ALL
