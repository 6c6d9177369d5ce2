-- Days until a lasting worsening, of scales where one is defined (PDDS: a rise of one step from the first score).
-- Grain: patient_id, instrument_scale.  Inputs: marts.score, marts.scale, core.consented_relapse.
-- Worsening begins with an assessment at least the threshold above the first one, if every assessment from then to the first one
-- at least 90 days later is so too. Assessments up to 90 days after the onset of a relapse neither begin nor confirm it, and
-- are no first score. Without it a patient is followed until the last assessment that a later one could have confirmed: what
-- comes after that could not have been seen. Who has no such assessment after the first is not followed.
WITH relapse AS (
    SELECT
        relapse.patient_id,
        relapse.started_on AS from_on,
        CASE relapse.started_on_precision
            WHEN 'month' THEN relapse.started_on + INTERVAL 1 MONTH + INTERVAL 89 DAY
            ELSE relapse.started_on + INTERVAL 90 DAY
        END::DATE AS to_on
    FROM core.consented_relapse AS relapse
    WHERE coalesce(relapse.started_on_precision, 'day') IN ('day', 'month')
),
assessed AS (
    SELECT
        score.*,
        scale.worse_sign,
        scale.confirmed_numerator,
        scale.confirmed_denominator
    FROM marts.score AS score
    JOIN marts.scale AS scale
        ON scale.instrument_code = score.instrument_code
        AND scale.scale = score.scale
        AND scale.confirmed_numerator IS NOT NULL
),
disturbed AS (
    SELECT DISTINCT assessed.patient_id, assessed.assessed_on
    FROM assessed
    JOIN relapse ON relapse.patient_id = assessed.patient_id AND assessed.assessed_on BETWEEN relapse.from_on AND relapse.to_on
),
quiet AS (
    SELECT assessed.*, disturbed.patient_id IS NULL AS is_quiet
    FROM assessed
    LEFT JOIN disturbed ON disturbed.patient_id = assessed.patient_id AND disturbed.assessed_on = assessed.assessed_on
),
based AS (
    SELECT
        *,
        min(CASE WHEN is_quiet THEN assessed_on END) OVER person AS first_on,
        arg_min(score_numerator, assessed_on) FILTER (is_quiet) OVER person AS first_numerator,
        arg_min(score_denominator, assessed_on) FILTER (is_quiet) OVER person AS first_denominator
    FROM quiet
    WINDOW person AS (PARTITION BY patient_id, instrument_scale)
),
compared AS (
    SELECT
        *,
        worse_sign * (
            score_numerator::HUGEINT * first_denominator - first_numerator::HUGEINT * score_denominator
        ) * confirmed_denominator >= confirmed_numerator::HUGEINT * score_denominator * first_denominator AS is_worse
    FROM based
    WHERE assessed_on >= first_on
),
followed AS (
    SELECT
        *,
        min(CASE WHEN NOT is_worse THEN assessed_on END) OVER (
            PARTITION BY patient_id, instrument_scale ORDER BY assessed_on ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS better_again_on,
        min(CASE WHEN is_quiet THEN assessed_on END) OVER (
            PARTITION BY patient_id, instrument_scale
            ORDER BY assessed_on RANGE BETWEEN INTERVAL 90 DAY FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS confirming_on
    FROM compared
),
ended AS (
    SELECT
        patient_id,
        instrument_code,
        instrument_scale,
        any_value(first_on) AS first_on,
        min(assessed_on) FILTER (
            is_worse AND is_quiet AND confirming_on IS NOT NULL AND (better_again_on IS NULL OR better_again_on > confirming_on)
        ) AS worse_on,
        max(assessed_on) FILTER (is_quiet AND confirming_on IS NOT NULL) AS last_on
    FROM followed
    GROUP BY ALL
)
SELECT
    patient_id,
    instrument_code,
    instrument_scale,
    first_on,
    (coalesce(worse_on, last_on) - first_on)::INTEGER AS exit_days,
    worse_on IS NOT NULL AS is_worsened
FROM ended
WHERE coalesce(worse_on, last_on) > first_on
