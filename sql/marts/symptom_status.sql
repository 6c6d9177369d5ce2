-- How each patient last reported each symptom: the worst severity of the latest day, and what the patient thinks causes it.
-- Grain: patient_id, symptom_code.  Inputs: marts.latest_symptom.
-- A patient who blames nerve damage for one part of the body and inactivity for another that day blames both. Worse
-- with heat or after exertion in one part of the body is worse; NULL if the patient said of no part whether it is.
WITH dated AS (
    SELECT
        patient_id,
        symptom_code,
        reported_on,
        severity,
        perceived_cause,
        is_worse_with_heat,
        is_worse_after_exertion,
        max(reported_on) OVER (PARTITION BY patient_id, symptom_code) AS latest_on
    FROM marts.latest_symptom
),
latest AS (
    SELECT
        patient_id,
        symptom_code,
        latest_on,
        max(severity) AS severity,
        coalesce(bool_or(perceived_cause IN ('direct_nerve', 'both')) FILTER (severity > 0), false) AS is_direct,
        coalesce(bool_or(perceived_cause IN ('indirect_deconditioning', 'both')) FILTER (severity > 0), false) AS is_indirect,
        bool_or(is_worse_with_heat) FILTER (severity > 0) AS is_worse_with_heat,
        bool_or(is_worse_after_exertion) FILTER (severity > 0) AS is_worse_after_exertion
    FROM dated
    WHERE reported_on = latest_on
    GROUP BY ALL
)
SELECT
    patient_id,
    symptom_code,
    latest_on,
    severity::TINYINT AS severity,
    CASE
        WHEN is_direct AND is_indirect THEN 'both'
        WHEN is_direct THEN 'direct_nerve'
        WHEN is_indirect THEN 'indirect_deconditioning'
        ELSE 'unknown'
    END::VARCHAR AS perceived_cause,
    is_worse_with_heat,
    is_worse_after_exertion
FROM latest
