-- Treatments begun by the day of the sheet, one span of one dose each.  Grain: record_id.  Params: patient, until
SELECT
    record_id,
    treatment_code,
    category,
    started_on,
    CASE WHEN started_on IS NULL THEN 'unknown' ELSE coalesce(started_on_precision, 'day') END AS started_on_precision,
    stopped_on,
    CASE WHEN stopped_on IS NULL THEN 'unknown' ELSE coalesce(stopped_on_precision, 'day') END AS stopped_on_precision,
    coalesce(status, 'unknown') AS status,
    last_confirmed_on,
    dose_amount,
    dose_unit,
    dose_period,
    sessions_per_week,
    minutes_per_session,
    coalesce(purpose_codes, []::VARCHAR[]) AS purpose_codes,
    coalesce(stop_reasons, []::VARCHAR[]) AS stop_reasons
FROM core.treatment_episode
WHERE patient_id = $patient AND (started_on IS NULL OR started_on <= $until::DATE)
ORDER BY treatment_code, started_on NULLS FIRST, record_id
