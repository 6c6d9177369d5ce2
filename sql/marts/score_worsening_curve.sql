-- The share of patients without a lasting worsening after 180, 365 and 730 days, and the patients behind each step.
-- Grain: instrument_scale, until_days (0: the beginning).  Inputs: marts.score_worsening.
-- Kaplan and Meier (1958); variance by Greenwood, limits on the scale of log(-log S), none where S is 0 or 1. Events come before
-- the ends of observation of the same day. Counts are of the time since the step before: worsened, no longer followed, and who
-- is followed beyond.
WITH step(until_days, from_days) AS (
    VALUES (0, 0), (180, 0), (365, 180), (730, 365)
),
counted AS (
    SELECT instrument_code, instrument_scale, exit_days, count(*) AS leaving, count(*) FILTER (is_worsened) AS events
    FROM marts.score_worsening
    GROUP BY ALL
),
risk AS (
    SELECT
        *,
        sum(leaving) OVER (PARTITION BY instrument_scale ORDER BY exit_days DESC) AS at_risk
    FROM counted
),
product AS (
    SELECT
        step.until_days,
        risk.instrument_scale,
        -- A factor of zero has no logarithm.
        CASE WHEN bool_or(risk.events = risk.at_risk) THEN 0 ELSE exp(sum(ln(nullif(1 - risk.events / risk.at_risk, 0)))) END AS free_ratio,
        sum(risk.events / (risk.at_risk * nullif(risk.at_risk - risk.events, 0))) AS greenwood
    FROM risk
    JOIN step ON risk.exit_days <= step.until_days
    WHERE risk.events > 0
    GROUP BY ALL
),
patients AS (
    SELECT
        worsening.instrument_code,
        worsening.instrument_scale,
        step.until_days,
        step.from_days,
        max(exit_days) AS longest_days,
        count(*) FILTER (exit_days > until_days) AS followed_count,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (exit_days > until_days), 0) AS followed_set,
        count(*) FILTER (is_worsened AND exit_days > from_days AND exit_days <= until_days) AS worsened_count,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_worsened AND exit_days > from_days AND exit_days <= until_days), 0) AS worsened_set,
        count(*) FILTER (NOT is_worsened AND exit_days > from_days AND exit_days <= until_days) AS left_count,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (NOT is_worsened AND exit_days > from_days AND exit_days <= until_days), 0) AS left_set
    FROM marts.score_worsening AS worsening
    CROSS JOIN step
    GROUP BY ALL
),
curve AS (
    SELECT
        patients.*,
        -- Nobody is followed to that day, and some were without worsening before: the curve ends earlier.
        CASE WHEN patients.longest_days >= patients.until_days OR product.free_ratio = 0 THEN coalesce(product.free_ratio, 1) END AS free_ratio,
        product.greenwood
    FROM patients
    LEFT JOIN product ON product.instrument_scale = patients.instrument_scale AND product.until_days = patients.until_days
),
bounded AS (
    SELECT
        *,
        CASE WHEN free_ratio > 0 AND free_ratio < 1 THEN 1.959963984540054 * sqrt(greenwood) / ln(free_ratio) END AS spread
    FROM curve
)
SELECT
    instrument_code,
    instrument_scale,
    until_days::INTEGER AS until_days,
    from_days::INTEGER AS from_days,
    followed_count::BIGINT AS followed_count,
    worsened_count::BIGINT AS worsened_count,
    left_count::BIGINT AS left_count,
    free_ratio::DOUBLE AS free_ratio,
    pow(free_ratio, exp(-spread))::DOUBLE AS low_ratio,
    pow(free_ratio, exp(spread))::DOUBLE AS high_ratio,
    followed_set::UHUGEINT AS followed_set,
    worsened_set::UHUGEINT AS worsened_set,
    left_set::UHUGEINT AS left_set
FROM bounded
