-- Weeks of physical activity; of one week the newest report.  Grain: week_starting_on.  Params: patient, since, until
SELECT
    week_starting_on,
    active_minutes,
    sedentary_hours_per_day,
    coalesce(inactivity_reasons, []::VARCHAR[]) AS inactivity_reasons
FROM core.weekly_activity
WHERE patient_id = $patient AND week_starting_on BETWEEN $since::DATE AND $until::DATE
QUALIFY row_number() OVER (
    PARTITION BY week_starting_on
    ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
) = 1
ORDER BY week_starting_on
