-- Counts of falls, each over a period; of one period the newest.  Grain: period_started_on, period_ended_on.
-- Params: patient, since, until
SELECT
    period_started_on,
    period_ended_on,
    fall_count,
    injurious_fall_count,
    near_fall_count
FROM core.fall_report
WHERE patient_id = $patient AND period_ended_on BETWEEN $since::DATE AND $until::DATE
QUALIFY row_number() OVER (
    PARTITION BY period_started_on, period_ended_on
    ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
) = 1
ORDER BY period_ended_on, period_started_on
