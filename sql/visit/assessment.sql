-- Completions of instruments; of one day, instrument, version and kind of answerer the newest.
-- Grain: instrument_code, instrument_version, is_proxy, assessed_on.  Params: patient, since, until
SELECT
    instrument_code,
    lower(trim(instrument_version)) AS instrument_version,
    coalesce(mode = 'proxy', false) AS is_proxy,
    assessed_on,
    item_responses,
    source_score
FROM core.outcome_assessment
WHERE patient_id = $patient AND assessed_on BETWEEN $since::DATE AND $until::DATE
QUALIFY row_number() OVER (
    PARTITION BY instrument_code, lower(trim(instrument_version)), coalesce(mode = 'proxy', false), assessed_on
    ORDER BY assessed_at DESC NULLS LAST, source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
) = 1
ORDER BY instrument_code, instrument_version, is_proxy, assessed_on
