-- How hard activities of daily life are, day by day; of one activity and day the newest report.
-- Grain: activity_code, reported_on.  Params: patient, since, until
SELECT
    activity_code,
    reported_on,
    difficulty,
    coalesce(help, 'unknown') AS help
FROM core.activity_limitation
WHERE patient_id = $patient AND reported_on BETWEEN $since::DATE AND $until::DATE
QUALIFY row_number() OVER (
    PARTITION BY activity_code, reported_on
    ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
) = 1
ORDER BY activity_code, reported_on
