-- How often the score a source gives differs from that of our own rule by more than 0.5. Counts of records, not of patients.
-- Grain: instrument_code.  Inputs: marts.scored_assessment.
SELECT
    instrument_code,
    count(is_mismatch)::BIGINT AS compared_count,
    count(*) FILTER (is_mismatch)::BIGINT AS mismatch_count
FROM marts.scored_assessment
GROUP BY instrument_code
HAVING count(is_mismatch) > 0
