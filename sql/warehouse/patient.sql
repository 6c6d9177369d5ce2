-- Patients with what follows from their record: age, age band and nrSPMS.  Grain: patient_id.
-- As of the session's variable `as_of_at` if it is set, else now. A patient with two records counts by the latest.
-- nrSPMS: secondary progressive, and no relapse in the last 24 months by date or by the patient's own word; with nothing
-- known of relapses it is `unknown`, never `no`.
CREATE OR REPLACE VIEW core.patient AS
WITH instant AS (
    SELECT coalesce(getvariable('as_of_at')::TIMESTAMPTZ, now())::DATE AS as_of_on
),
latest AS (
    SELECT *
    FROM core.patient_record
    WHERE patient_id IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY patient_id
        ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
),
aged AS (
    SELECT
        latest.*,
        as_of_on,
        (year(as_of_on) - birth_year)::SMALLINT AS age_years,
        -- The last day on which the relapse may have begun, given what is known of its date.
        CASE last_relapse_on_precision
            WHEN 'year' THEN last_relapse_on + INTERVAL 1 YEAR - INTERVAL 1 DAY
            WHEN 'month' THEN last_relapse_on + INTERVAL 1 MONTH - INTERVAL 1 DAY
            ELSE last_relapse_on
        END::DATE AS last_relapse_by
    FROM latest
    CROSS JOIN instant
)
SELECT
    * EXCLUDE (as_of_on, last_relapse_by),
    CASE
        WHEN age_years IS NULL THEN 'unknown'
        WHEN age_years < 18 THEN 'under 18'
        WHEN age_years < 30 THEN '18-29'
        WHEN age_years >= 90 THEN '90+'
        ELSE (age_years // 10 * 10)::VARCHAR || '-' || (age_years // 10 * 10 + 9)::VARCHAR
    END AS age_band,
    CASE
        WHEN ms_course IN ('cis', 'rrms', 'ppms', 'prms') THEN 'no'
        WHEN ms_course IS DISTINCT FROM 'spms' THEN 'unknown'
        WHEN last_relapse_by <= as_of_on - INTERVAL 24 MONTH THEN 'yes'
        WHEN last_relapse_on > as_of_on - INTERVAL 24 MONTH THEN 'no'
        WHEN is_relapse_free_24_months THEN 'yes'
        WHEN NOT is_relapse_free_24_months THEN 'no'
        ELSE 'unknown'
    END AS nrspms
FROM aged
