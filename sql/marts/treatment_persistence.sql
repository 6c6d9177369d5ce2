-- Share of patients still on a treatment so many days after they began it (Kaplan-Meier), on few days only: a step of the curve is
-- a person.
-- Grain: source_family, treatment_code, censored_at, day.  Inputs: marts.treatment_follow_up, marts.treatment_risk_set.
-- The share ends (NULL) where fewer than 11 are still followed. Limits: 95 %, on the scale log(-log).
-- `stop_count` and `patient_set` are of those who stopped by the day; `followed_count` are all who were followed at all.
WITH printed(day) AS (
    VALUES (0), (90), (180), (365), (730)
),
follow_up AS (
    SELECT *, 'last_confirmed' AS censored_at, exit_days AS until_days FROM marts.treatment_follow_up
    UNION ALL
    SELECT *, 'as_of' AS censored_at, as_of_exit_days AS until_days FROM marts.treatment_follow_up
),
counted AS (
    SELECT
        follow_up.source_family,
        follow_up.treatment_code,
        follow_up.censored_at,
        printed.day,
        count(*) AS followed_count,
        bit_xor(patient_mark(patient_id)) AS followed_set,
        count(*) FILTER (entry_days <= printed.day AND until_days >= printed.day) AS risk_count,
        count(*) FILTER (stop_cause IS NOT NULL AND until_days <= printed.day) AS stop_count,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (stop_cause IS NOT NULL AND until_days <= printed.day), 0) AS patient_set
    FROM follow_up
    CROSS JOIN printed
    GROUP BY ALL
),
curve AS (
    SELECT
        counted.*,
        CASE WHEN counted.risk_count >= 11 THEN coalesce(step.remaining_ratio, 1) END AS remaining,
        coalesce(step.greenwood, 0) AS greenwood
    FROM counted
    ASOF LEFT JOIN marts.treatment_risk_set AS step
        ON step.source_family = counted.source_family
        AND step.treatment_code = counted.treatment_code
        AND step.censored_at = counted.censored_at
        AND step.day <= counted.day
)
SELECT
    source_family,
    treatment_code,
    censored_at::VARCHAR AS censored_at,
    day::INTEGER AS day,
    followed_count::BIGINT AS followed_count,
    followed_set::UHUGEINT AS followed_set,
    risk_count::BIGINT AS risk_count,
    stop_count::BIGINT AS stop_count,
    patient_set::UHUGEINT AS patient_set,
    remaining::DOUBLE AS remaining_ratio,
    log_log_low(remaining, remaining * sqrt(greenwood))::DOUBLE AS low_ratio,
    log_log_high(remaining, remaining * sqrt(greenwood))::DOUBLE AS high_ratio
FROM curve
