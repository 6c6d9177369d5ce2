-- How much takers of a treatment take or have taken: the latest dose of each, in bands of one, two and five.
-- Grain: source_family, treatment_code, dose.  Inputs: core.consented_treatment_episode, marts.treatment_rating (who counts as a taker).
-- `dose` is "from below unit period" ("20 50 mg day"), or `not_stated`; together all takers. Bands are the same for every treatment
-- and never follow from the records. Amounts a day, a week, a month and as needed are not added. A treatment of which nobody states
-- a dose has no rows.
WITH stated AS (
    SELECT
        episode.patient_id,
        episode.treatment_code,
        CASE episode.dose_unit
            WHEN 'g' THEN 'mg'
            WHEN 'ug' THEN 'mg'
            WHEN 'L' THEN 'mL'
            WHEN '10*6.[iU]' THEN '[iU]'
            ELSE episode.dose_unit
        END AS unit,
        episode.dose_period AS period,
        episode.dose_amount * CASE episode.dose_unit
            WHEN 'g' THEN 1e3
            WHEN 'ug' THEN 1e-3
            WHEN 'L' THEN 1e3
            WHEN '10*6.[iU]' THEN 1e6
            ELSE 1
        END AS amount
    FROM core.consented_treatment_episode AS episode
    CROSS JOIN marts.as_of AS as_of
    WHERE episode.dose_amount IS NOT NULL
        AND episode.dose_unit IS NOT NULL
        AND episode.dose_period IS NOT NULL
        AND (episode.started_on IS NULL OR episode.started_on <= as_of.as_of_on)
    QUALIFY row_number() OVER (
        PARTITION BY episode.patient_id, episode.treatment_code
        ORDER BY
            episode.started_on DESC NULLS LAST,
            episode.source_updated_at DESC NULLS LAST,
            episode.exported_at DESC NULLS LAST,
            episode.row_hash DESC,
            episode.record_id
    ) = 1
),
scaled AS (
    -- 1000 is not to fall below its band because its logarithm is 2.9999999999999996.
    SELECT *, floor(log10(amount) + 1e-9) AS tens, amount / 10 ** tens + 1e-9 AS mantissa
    FROM stated
),
banded AS (
    SELECT
        patient_id,
        treatment_code,
        unit,
        period,
        CASE WHEN mantissa >= 5 THEN 5 WHEN mantissa >= 2 THEN 2 ELSE 1 END * 10 ** tens AS from_amount,
        CASE WHEN mantissa >= 5 THEN 10 WHEN mantissa >= 2 THEN 5 ELSE 2 END * 10 ** tens AS below_amount,
        printf('%g %g %s %s', from_amount, below_amount, unit, period) AS dose
    FROM scaled
),
taker AS (
    SELECT DISTINCT patient_id, source_family, treatment_code FROM marts.treatment_rating
),
member AS (
    SELECT taker.source_family, taker.treatment_code, taker.patient_id, banded.dose, banded.unit, banded.period, banded.from_amount
    FROM taker
    LEFT JOIN banded ON banded.patient_id = taker.patient_id AND banded.treatment_code = taker.treatment_code
    QUALIFY count(banded.dose) OVER (PARTITION BY taker.source_family, taker.treatment_code) > 0
)
SELECT
    source_family,
    treatment_code,
    coalesce(dose, 'not_stated')::VARCHAR AS dose,
    unit::VARCHAR AS dose_unit,
    period::VARCHAR AS dose_period,
    from_amount::DOUBLE AS from_amount,
    count(*)::BIGINT AS patient_count,
    bit_xor(patient_mark(patient_id))::UHUGEINT AS patient_set
FROM member
GROUP BY source_family, treatment_code, dose, unit, period, from_amount
