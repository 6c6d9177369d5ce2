-- Of those who started a treatment and have a score from before: the scores around the start.
-- Grain: patient_id, treatment_code, instrument_scale, follow_up_days.
-- Inputs: marts.change_start, marts.score, marts.scale, marts.last_report.
-- Baseline: the last score of the 90 days up to the start; only if there is none, the first of the 7 days after it. Follow-up:
-- the score nearest to 90, 180 or 365 days after the start; of two as near, one given in the same way as the baseline, else the
-- earlier one. It is due once the last day on which it could have been given is over. Before: the score nearest to as many days
-- before the baseline, of the 91st to the 360th day before the start. Whether the treatment goes on is not asked. `is_reporting`:
-- something, of whatever kind, was reported on the first day of the follow-up's or later.
-- Changes are fractions and are compared with thresholds exactly. Of scales for which nobody says which way is worse, and of
-- those without a threshold, no response is known (NULL).
WITH follow_up(follow_up_days, from_days, to_days) AS (
    VALUES (90, 45, 135), (180, 136, 270), (365, 271, 450)
),
near AS (
    SELECT
        start.patient_id,
        start.treatment_code,
        start.started_on,
        start.is_month_precise,
        start.has_co_start,
        score.ms_course,
        score.instrument_code,
        score.series,
        score.scale,
        score.instrument_scale,
        score.assessed_on - start.started_on AS day,
        score.mode,
        score.score_numerator,
        score.score_denominator,
        score.score
    FROM marts.change_start AS start
    JOIN marts.score AS score
        ON score.patient_id = start.patient_id
        AND score.assessed_on BETWEEN start.started_on - 360 AND start.started_on + 450
),
based AS (
    SELECT * RENAME (day AS baseline_day, mode AS baseline_mode, score_numerator AS baseline_numerator, score_denominator AS baseline_denominator, score AS baseline_score)
    FROM near
    WHERE day BETWEEN -90 AND 7
    QUALIFY row_number() OVER (
        PARTITION BY patient_id, treatment_code, instrument_scale
        ORDER BY day > 0, CASE WHEN day > 0 THEN day ELSE -day END
    ) = 1
),
due AS (
    SELECT
        based.*,
        follow_up.*,
        based.started_on + follow_up.to_days <= as_of.as_of_on AS is_due
    FROM based
    CROSS JOIN follow_up
    CROSS JOIN marts.as_of AS as_of
),
followed AS (
    SELECT
        due.patient_id,
        due.treatment_code,
        due.instrument_scale,
        due.follow_up_days,
        near.day AS follow_day,
        near.score_numerator AS follow_numerator,
        near.score_denominator AS follow_denominator,
        near.score AS follow_score
    FROM due
    JOIN near
        ON near.patient_id = due.patient_id
        AND near.treatment_code = due.treatment_code
        AND near.instrument_scale = due.instrument_scale
        AND near.day BETWEEN due.from_days AND due.to_days
    WHERE due.is_due
    QUALIFY row_number() OVER (
        PARTITION BY due.patient_id, due.treatment_code, due.instrument_scale, due.follow_up_days
        ORDER BY abs(near.day - due.follow_up_days), near.mode <> due.baseline_mode, near.day
    ) = 1
),
earlier AS (
    SELECT
        due.patient_id,
        due.treatment_code,
        due.instrument_scale,
        due.follow_up_days,
        near.day AS before_day,
        near.score AS before_score
    FROM due
    JOIN near
        ON near.patient_id = due.patient_id
        AND near.treatment_code = due.treatment_code
        AND near.instrument_scale = due.instrument_scale
        AND near.day BETWEEN -360 AND -91
    QUALIFY row_number() OVER (
        PARTITION BY due.patient_id, due.treatment_code, due.instrument_scale, due.follow_up_days
        ORDER BY abs(near.day - (due.baseline_day - due.follow_up_days)), near.day
    ) = 1
),
changed AS (
    SELECT
        due.* EXCLUDE (from_days, to_days),
        coalesce(last_report.last_reported_on >= due.started_on + due.from_days, false) AS is_reporting,
        followed.* EXCLUDE (patient_id, treatment_code, instrument_scale, follow_up_days),
        earlier.before_day,
        earlier.before_score,
        followed.follow_numerator * due.baseline_denominator - due.baseline_numerator * followed.follow_denominator AS change_numerator,
        followed.follow_denominator * due.baseline_denominator AS change_denominator
    FROM due
    LEFT JOIN marts.last_report AS last_report ON last_report.patient_id = due.patient_id
    LEFT JOIN followed
        ON followed.patient_id = due.patient_id
        AND followed.treatment_code = due.treatment_code
        AND followed.instrument_scale = due.instrument_scale
        AND followed.follow_up_days = due.follow_up_days
    LEFT JOIN earlier
        ON earlier.patient_id = due.patient_id
        AND earlier.treatment_code = due.treatment_code
        AND earlier.instrument_scale = due.instrument_scale
        AND earlier.follow_up_days = due.follow_up_days
),
-- A threshold that is a ratio is multiplied by the baseline: change / (baseline * ratio) in whole numbers throughout.
weighed AS (
    SELECT
        changed.*,
        scale.worse_sign,
        scale.mid_improved_numerator IS NOT NULL AND scale.mid_worsened_numerator IS NOT NULL AS has_mid,
        scale.mdc_numerator IS NOT NULL AS has_mdc,
        scale.worse_sign * change_numerator::HUGEINT AS worse_numerator,
        -- The threshold over the denominator of the change: of the two ways a threshold is given, both as a fraction of one.
        CASE WHEN scale.is_mid_ratio THEN scale.mid_improved_numerator::HUGEINT * baseline_numerator ELSE scale.mid_improved_numerator END AS improved_numerator,
        CASE WHEN scale.is_mid_ratio THEN scale.mid_improved_denominator::HUGEINT * baseline_denominator ELSE scale.mid_improved_denominator END AS improved_denominator,
        CASE WHEN scale.is_mid_ratio THEN scale.mid_worsened_numerator::HUGEINT * baseline_numerator ELSE scale.mid_worsened_numerator END AS worsened_numerator,
        CASE WHEN scale.is_mid_ratio THEN scale.mid_worsened_denominator::HUGEINT * baseline_denominator ELSE scale.mid_worsened_denominator END AS worsened_denominator,
        scale.mdc_numerator,
        scale.mdc_denominator,
        -- How far the score could still go, to its better and to its worse end.
        CASE WHEN scale.worse_sign > 0
            THEN baseline_numerator::HUGEINT * scale.minimum_denominator - scale.minimum_numerator::HUGEINT * baseline_denominator
            ELSE scale.maximum_numerator::HUGEINT * baseline_denominator - baseline_numerator::HUGEINT * scale.maximum_denominator
        END AS better_room_numerator,
        baseline_denominator::HUGEINT * CASE WHEN scale.worse_sign > 0 THEN scale.minimum_denominator ELSE scale.maximum_denominator END AS better_room_denominator,
        CASE WHEN scale.worse_sign > 0
            THEN scale.maximum_numerator::HUGEINT * baseline_denominator - baseline_numerator::HUGEINT * scale.maximum_denominator
            ELSE baseline_numerator::HUGEINT * scale.minimum_denominator - scale.minimum_numerator::HUGEINT * baseline_denominator
        END AS worse_room_numerator,
        baseline_denominator::HUGEINT * CASE WHEN scale.worse_sign > 0 THEN scale.maximum_denominator ELSE scale.minimum_denominator END AS worse_room_denominator
    FROM changed
    JOIN marts.scale AS scale ON scale.instrument_code = changed.instrument_code AND scale.scale = changed.scale
)
SELECT
    patient_id,
    treatment_code,
    instrument_code,
    series,
    scale,
    instrument_scale,
    ms_course,
    follow_up_days::INTEGER AS follow_up_days,
    started_on,
    is_month_precise,
    has_co_start,
    is_due,
    is_reporting,
    baseline_day::INTEGER AS baseline_day,
    baseline_score,
    follow_day::INTEGER AS follow_day,
    follow_score,
    (change_numerator / change_denominator)::DOUBLE AS change_score,
    before_day::INTEGER AS before_day,
    (baseline_score - before_score)::DOUBLE AS before_change_score,
    CASE
        WHEN NOT has_mid OR worse_numerator IS NULL THEN NULL
        WHEN worse_numerator * improved_denominator <= -improved_numerator * change_denominator THEN 'improved'
        WHEN worse_numerator * worsened_denominator >= worsened_numerator * change_denominator THEN 'worsened'
        ELSE 'stable'
    END::VARCHAR AS mid_response,
    CASE
        WHEN NOT has_mdc OR worse_numerator IS NULL THEN NULL
        WHEN worse_numerator * mdc_denominator <= -mdc_numerator::HUGEINT * change_denominator THEN 'improved'
        WHEN worse_numerator * mdc_denominator >= mdc_numerator::HUGEINT * change_denominator THEN 'worsened'
        ELSE 'stable'
    END::VARCHAR AS mdc_response,
    CASE WHEN has_mid AND worse_sign IS NOT NULL THEN better_room_numerator * improved_denominator >= improved_numerator * better_room_denominator END AS can_improve,
    CASE WHEN has_mid AND worse_sign IS NOT NULL THEN worse_room_numerator * worsened_denominator >= worsened_numerator * worse_room_denominator END AS can_worsen
FROM weighed
