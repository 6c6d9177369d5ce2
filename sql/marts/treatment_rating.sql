-- Who has taken or done which treatment for which purpose, and the latest rating of it, if there is one.
-- Grain: patient_id, treatment_code, purpose_code.  Inputs: core.consented_treatment_episode, core.consented_treatment_evaluation.
-- Begun by the day of the report, at any time before it. A purpose is one the episode or an evaluation states; `not_stated` if
-- neither does. Treatments and purposes the code lists do not know are left out. Undated ratings count as the oldest.
WITH episode AS (
    SELECT
        episode.record_id,
        episode.patient_id,
        patient.source_family,
        episode.treatment_code,
        coalesce(episode.purpose_codes, []::VARCHAR[]) AS purpose_codes
    FROM core.consented_treatment_episode AS episode
    JOIN marts.patient AS patient ON patient.patient_id = episode.patient_id
    CROSS JOIN marts.as_of AS as_of
    WHERE NOT contains(episode.treatment_code, ':')
        AND (episode.started_on IS NULL OR episode.started_on <= as_of.as_of_on)
),
evaluation AS (
    SELECT
        episode.patient_id,
        episode.source_family,
        episode.treatment_code,
        coalesce(evaluation.purpose_code, 'not_stated') AS purpose_code,
        evaluation.effectiveness,
        evaluation.evaluated_on,
        evaluation.source_updated_at,
        evaluation.exported_at,
        evaluation.row_hash,
        evaluation.record_id
    FROM core.consented_treatment_evaluation AS evaluation
    JOIN episode ON episode.record_id = evaluation.episode_id AND episode.patient_id = evaluation.patient_id
    CROSS JOIN marts.as_of AS as_of
    WHERE evaluation.evaluated_on IS NULL OR evaluation.evaluated_on <= as_of.as_of_on
),
stated AS (
    SELECT patient_id, source_family, treatment_code, unnest(purpose_codes) AS purpose_code FROM episode
    UNION
    SELECT patient_id, source_family, treatment_code, 'not_stated' AS purpose_code FROM episode WHERE len(purpose_codes) = 0
    UNION
    SELECT patient_id, source_family, treatment_code, purpose_code FROM evaluation
),
rating AS (
    SELECT patient_id, treatment_code, purpose_code, effectiveness, evaluated_on
    FROM evaluation
    WHERE effectiveness IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY patient_id, treatment_code, purpose_code
        ORDER BY evaluated_on DESC NULLS LAST, source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
)
SELECT
    stated.patient_id,
    stated.source_family,
    stated.treatment_code,
    stated.purpose_code::VARCHAR AS purpose_code,
    rating.effectiveness,
    rating.evaluated_on
FROM stated
LEFT JOIN rating
    ON rating.patient_id = stated.patient_id
    AND rating.treatment_code = stated.treatment_code
    AND rating.purpose_code = stated.purpose_code
WHERE NOT contains(stated.purpose_code, ':')
