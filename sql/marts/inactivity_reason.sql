-- Of the patients who, in the latest week they reported, named what kept them from being more active: the reasons.
-- Grain: reason.  Inputs: marts.week_status.
-- `named` is the denominator of the others. Several reasons may hold, so that their shares do not add up.
WITH reason(reason, position) AS (
    VALUES
        ('named', 1), ('fatigue', 2), ('weakness', 3), ('pain', 4), ('fear_of_falling', 5), ('access', 6), ('other', 7)
),
named AS (
    SELECT patient_id, inactivity_reasons FROM marts.week_status WHERE len(inactivity_reasons) > 0
)
SELECT
    reason.reason::VARCHAR AS reason,
    reason.position::INTEGER AS position,
    count(named.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(named.patient_id)) FILTER (named.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM reason
LEFT JOIN named ON reason.reason = 'named' OR list_contains(named.inactivity_reasons, reason.reason)
GROUP BY ALL
