-- What each taker last said of a treatment besides its effect: side effects, adherence, burden, cost.
-- Grain: patient_id, treatment_code, aspect.  Inputs: core.consented_treatment_evaluation, core.consented_treatment_episode,
-- marts.treatment_rating (who counts as a taker).
-- The latest answer to each question, for whatever purpose; "unknown" is none. Undated answers count as the oldest.
-- `side_effect_codes` stand beside a severity other than none; codes the code list does not know are left out.
WITH evaluation AS (
    SELECT
        episode.patient_id,
        episode.treatment_code,
        evaluation.side_effect_severity,
        evaluation.adherence,
        evaluation.burden,
        evaluation.monthly_cost_band,
        evaluation.side_effect_codes,
        evaluation.currency_code,
        evaluation.evaluated_on,
        evaluation.source_updated_at,
        evaluation.exported_at,
        evaluation.row_hash,
        evaluation.record_id
    FROM core.consented_treatment_evaluation AS evaluation
    JOIN core.consented_treatment_episode AS episode
        ON episode.record_id = evaluation.episode_id AND episode.patient_id = evaluation.patient_id
    CROSS JOIN marts.as_of AS as_of
    WHERE (evaluation.evaluated_on IS NULL OR evaluation.evaluated_on <= as_of.as_of_on)
        AND (episode.started_on IS NULL OR episode.started_on <= as_of.as_of_on)
),
answer AS (
    FROM evaluation
    UNPIVOT (answer FOR aspect IN (side_effect_severity, adherence, burden, monthly_cost_band))
),
taker AS (
    SELECT DISTINCT patient_id, source_family, treatment_code FROM marts.treatment_rating
),
latest AS (
    SELECT *
    FROM answer
    WHERE answer <> 'unknown' AND (aspect <> 'monthly_cost_band' OR currency_code IS NOT NULL)
    QUALIFY row_number() OVER (
        PARTITION BY patient_id, treatment_code, aspect
        ORDER BY evaluated_on DESC NULLS LAST, source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
)
SELECT
    latest.patient_id,
    taker.source_family,
    latest.treatment_code,
    latest.aspect::VARCHAR AS aspect,
    latest.answer::VARCHAR AS answer,
    CASE WHEN latest.aspect = 'monthly_cost_band' THEN latest.currency_code END::VARCHAR AS currency_code,
    CASE
        WHEN latest.aspect = 'side_effect_severity' AND latest.answer <> 'none'
            THEN list_distinct(list_filter(coalesce(latest.side_effect_codes, []), lambda code: NOT contains(code, ':')))
        ELSE []
    END::VARCHAR[] AS side_effect_codes
FROM latest
JOIN taker ON taker.patient_id = latest.patient_id AND taker.treatment_code = latest.treatment_code
