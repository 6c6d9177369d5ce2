-- Every assessment of patients who may be counted, scored: `core.consented_score`, worked out once for all marts.
-- Grain: record_id, scale.  Inputs: core.consented_score.
SELECT
    record_id,
    patient_id,
    instrument_code,
    instrument_version,
    scale,
    assessed_on,
    coalesce(mode, 'unknown')::VARCHAR AS mode,
    score_numerator,
    score_denominator,
    score,
    score_status,
    scored_by,
    is_mismatch,
    source_updated_at,
    exported_at,
    row_hash
FROM core.consented_score
