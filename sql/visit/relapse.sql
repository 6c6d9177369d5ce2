-- Relapses the member reports, which may have begun from a day on.  Grain: record_id.
-- Params: patient, since, until.  A start of which only a part is known counts to the end of that part.
SELECT
    started_on,
    coalesce(started_on_precision, 'day') AS started_on_precision,
    is_steroid_treated,
    recovery
FROM core.relapse
WHERE patient_id = $patient
    AND started_on <= $until::DATE
    AND CASE started_on_precision
        WHEN 'year' THEN started_on + INTERVAL 1 YEAR - INTERVAL 1 DAY
        WHEN 'month' THEN last_day(started_on)
        ELSE started_on
    END >= $since::DATE
ORDER BY started_on, record_id
