-- The member's ratings of treatments, the newest first; undated ones are the oldest.  Grain: record_id.
-- Params: patient, until
SELECT
    episode.treatment_code,
    evaluation.purpose_code,
    evaluation.evaluated_on,
    evaluation.effectiveness,
    evaluation.side_effect_severity,
    coalesce(evaluation.side_effect_codes, []::VARCHAR[]) AS side_effect_codes,
    nullif(evaluation.adherence, 'unknown') AS adherence,
    nullif(evaluation.burden, 'unknown') AS burden
FROM core.treatment_evaluation AS evaluation
JOIN core.treatment_episode AS episode
    ON episode.record_id = evaluation.episode_id AND episode.patient_id = evaluation.patient_id
WHERE evaluation.patient_id = $patient
    AND (evaluation.evaluated_on IS NULL OR evaluation.evaluated_on <= $until::DATE)
ORDER BY
    episode.treatment_code,
    evaluation.evaluated_on DESC NULLS LAST,
    evaluation.source_updated_at DESC NULLS LAST,
    evaluation.exported_at DESC NULLS LAST,
    evaluation.row_hash DESC,
    evaluation.record_id
