-- Each patient's consent to be counted in released aggregates, as of the session's variable `as_of_at`, else now.
-- Grain: patient_id. The latest event decides; of two at one instant the one that ends the consent. An end counts from the
-- start of its day in UTC: the day of a withdrawal is left out whole, wherever the session sits.
-- No event means no, except for a source that states a basis of its own (`ops.source`).
CREATE OR REPLACE VIEW core.consent_state AS
WITH event AS (
    SELECT patient_id, status, effective_at
    FROM core.consent
    WHERE scope = 'aggregate_release'
        AND CASE
            WHEN status = 'granted' THEN effective_at
            ELSE date_trunc('day', effective_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
        END <= coalesce(getvariable('as_of_at')::TIMESTAMPTZ, now())
),
latest AS (
    SELECT patient_id, status
    FROM event
    QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY effective_at DESC, status = 'granted') = 1
)
SELECT
    patient.patient_id,
    coalesce(latest.status = 'granted', source.consent_basis IS NOT NULL) AS is_consented
FROM core.patient AS patient
LEFT JOIN latest ON latest.patient_id = patient.patient_id
LEFT JOIN ops.source AS source ON source.source_system = patient.source_system
