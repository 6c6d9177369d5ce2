-- Patients with what follows from their record: age, age band and nrSPMS.  Grain: patient_id.
-- As of the session's variable `as_of_at` if it is set, else now.
-- A patient with several records, as where a source states the person and the diagnosis apart, is put together of them: each
-- column says what the latest record that states it does, a date with its own precision. All else is of the latest record.
-- nrSPMS: secondary progressive, and no relapse in the last 24 months by date or by the patient's own word; with nothing
-- known of relapses it is `unknown`, never `no`.
CREATE OR REPLACE VIEW core.patient AS
WITH instant AS (
    SELECT coalesce(getvariable('as_of_at')::TIMESTAMPTZ, now())::DATE AS as_of_on
),
record AS (
    SELECT * FROM core.patient_record WHERE patient_id IS NOT NULL
),
-- Few are: nobody else's records need be sorted.
several AS (
    SELECT patient_id FROM record GROUP BY patient_id HAVING count(*) > 1
),
ranked AS (
    SELECT
        record.* REPLACE (
            first_value(birth_year IGNORE NULLS) OVER stated AS birth_year,
            first_value(sex IGNORE NULLS) OVER stated AS sex,
            first_value(country_code IGNORE NULLS) OVER stated AS country_code,
            first_value(condition_code IGNORE NULLS) OVER stated AS condition_code,
            first_value(ms_course IGNORE NULLS) OVER stated AS ms_course,
            first_value(symptom_onset_year IGNORE NULLS) OVER stated AS symptom_onset_year,
            first_value(diagnosis_year IGNORE NULLS) OVER stated AS diagnosis_year,
            first_value(is_relapse_free_24_months IGNORE NULLS) OVER stated AS is_relapse_free_24_months,
            first_value(ambulation IGNORE NULLS) OVER stated AS ambulation,
            first_value(diagnosis_source IGNORE NULLS) OVER stated AS diagnosis_source,
            first_value(height_cm IGNORE NULLS) OVER stated AS height_cm,
            first_value(weight_kg IGNORE NULLS) OVER stated AS weight_kg,
            first_value(enrolled_on IGNORE NULLS) OVER stated AS enrolled_on,
            first_value(last_active_on IGNORE NULLS) OVER stated AS last_active_on,
            first_value(progression_started_on IGNORE NULLS) OVER stated AS progression_started_on,
            coalesce(
                first_value(CASE WHEN progression_started_on IS NOT NULL THEN progression_started_on_precision END IGNORE NULLS) OVER stated,
                first_value(progression_started_on_precision IGNORE NULLS) OVER stated
            ) AS progression_started_on_precision,
            first_value(last_relapse_on IGNORE NULLS) OVER stated AS last_relapse_on,
            coalesce(
                first_value(CASE WHEN last_relapse_on IS NOT NULL THEN last_relapse_on_precision END IGNORE NULLS) OVER stated,
                first_value(last_relapse_on_precision IGNORE NULLS) OVER stated
            ) AS last_relapse_on_precision
        ),
        row_number() OVER stated AS place
    FROM record
    SEMI JOIN several ON several.patient_id = record.patient_id
    WINDOW stated AS (
        PARTITION BY patient_id
        ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
),
latest AS (
    SELECT * EXCLUDE (place) FROM ranked WHERE place = 1
    UNION ALL BY NAME
    SELECT record.* FROM record ANTI JOIN several ON several.patient_id = record.patient_id
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
