-- After how many days half of the patients have stopped a treatment: the first day on which at most half are left.
-- Grain: source_family, treatment_code, of those treatments of which half have been seen to stop.
-- Inputs: marts.treatment_risk_set.  Follow-up ends at the last confirmation. Where fewer than 11 were still at risk on the day it
-- is left out. `printed_by`: the printed day by which it is reached.
SELECT
    source_family,
    treatment_code,
    min(day)::DOUBLE AS median_days,
    CASE
        WHEN min(day) <= 90 THEN 90
        WHEN min(day) <= 180 THEN 180
        WHEN min(day) <= 365 THEN 365
        WHEN min(day) <= 730 THEN 730
    END::INTEGER AS printed_by,
    arg_min(risk_count, day)::BIGINT AS risk_count
FROM marts.treatment_risk_set
WHERE censored_at = 'last_confirmed' AND remaining_ratio <= 0.5
GROUP BY ALL
HAVING arg_min(risk_count, day) >= 11
