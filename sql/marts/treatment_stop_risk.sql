-- Share of patients who have stopped a treatment by a day, by cause: the causes compete (Aalen-Johansen).
-- Grain: source_family, treatment_code, stop_cause, day.  Inputs: marts.treatment_follow_up, marts.treatment_risk_set.
-- Shares of the causes add up to the share who have stopped. One less Kaplan-Meier of each cause would add up to too much.
-- Follow-up ends at the last confirmation. NULL where fewer than 11 are still followed. Limits: 95 %, on the scale log(-log), from
-- the delta method (Marubini & Valsecchi 1995, Analysing Survival Data, 10.3): with S of the day before, over days s up to t,
-- var F(t) = sum (F(t)-F(s))^2 d/(n(n-d)) + sum S^2 c(n-c)/n^3 - 2 sum (F(t)-F(s)) S c/n^2, c of d stops being of the cause.
WITH printed(day) AS (
    VALUES (90), (180), (365)
),
cause(stop_cause, position) AS (
    VALUES ('side_effects', 1), ('not_working', 2), ('complete', 3), ('other', 4), ('not_given', 5)
),
stopped AS (
    SELECT source_family, treatment_code, stop_cause, exit_days AS day, count(*) AS cause_count
    FROM marts.treatment_follow_up
    WHERE stop_cause IS NOT NULL
    GROUP BY ALL
),
step AS (
    SELECT
        *,
        lag(remaining_ratio, 1, 1.0) OVER (PARTITION BY source_family, treatment_code ORDER BY day) AS remaining_before
    FROM marts.treatment_risk_set
    WHERE censored_at = 'last_confirmed'
),
hazard AS (
    SELECT
        step.source_family,
        step.treatment_code,
        cause.stop_cause,
        step.day,
        step.remaining_before,
        step.risk_count AS n,
        step.stop_count AS d,
        coalesce(stopped.cause_count, 0) AS c,
        sum(step.remaining_before * c / n) OVER (
            PARTITION BY step.source_family, step.treatment_code, cause.stop_cause ORDER BY step.day ROWS UNBOUNDED PRECEDING
        ) AS incidence
    FROM step
    CROSS JOIN cause
    LEFT JOIN stopped
        ON stopped.source_family = step.source_family
        AND stopped.treatment_code = step.treatment_code
        AND stopped.stop_cause = cause.stop_cause
        AND stopped.day = step.day
),
reached AS (
    SELECT
        hazard.source_family,
        hazard.treatment_code,
        hazard.stop_cause,
        printed.day,
        max_by(hazard.incidence, hazard.day) AS incidence_then
    FROM hazard
    JOIN printed ON hazard.day <= printed.day
    GROUP BY ALL
),
variance AS (
    SELECT
        reached.source_family,
        reached.treatment_code,
        reached.stop_cause,
        reached.day,
        reached.incidence_then,
        sum(
            pow(incidence_then - hazard.incidence, 2) * d / nullif(n * (n - d), 0)
            + remaining_before * remaining_before * c * (n - c) / pow(n, 3)
            - 2 * (incidence_then - hazard.incidence) * remaining_before * c / (n * n)
        ) AS variance
    FROM reached
    JOIN hazard
        ON hazard.source_family = reached.source_family
        AND hazard.treatment_code = reached.treatment_code
        AND hazard.stop_cause = reached.stop_cause
        AND hazard.day <= reached.day
    GROUP BY reached.source_family, reached.treatment_code, reached.stop_cause, reached.day, reached.incidence_then
),
counted AS (
    SELECT
        follow_up.source_family,
        follow_up.treatment_code,
        cause.stop_cause,
        cause.position,
        printed.day,
        count(*) FILTER (entry_days <= printed.day AND exit_days >= printed.day) AS risk_count,
        count(*) FILTER (follow_up.stop_cause = cause.stop_cause AND exit_days <= printed.day) AS stop_count,
        coalesce(
            bit_xor(patient_mark(patient_id)) FILTER (follow_up.stop_cause = cause.stop_cause AND exit_days <= printed.day), 0
        ) AS patient_set
    FROM marts.treatment_follow_up AS follow_up
    CROSS JOIN cause
    CROSS JOIN printed
    GROUP BY ALL
),
curve AS (
    SELECT
        counted.*,
        CASE WHEN counted.risk_count >= 11 THEN coalesce(variance.incidence_then, 0) END AS incidence,
        sqrt(greatest(variance.variance, 0)) AS error
    FROM counted
    LEFT JOIN variance
        ON variance.source_family = counted.source_family
        AND variance.treatment_code = counted.treatment_code
        AND variance.stop_cause = counted.stop_cause
        AND variance.day = counted.day
)
SELECT
    source_family,
    treatment_code,
    stop_cause::VARCHAR AS stop_cause,
    position::INTEGER AS position,
    day::INTEGER AS day,
    risk_count::BIGINT AS risk_count,
    stop_count::BIGINT AS stop_count,
    patient_set::UHUGEINT AS patient_set,
    incidence::DOUBLE AS incidence_ratio,
    log_log_low(incidence, error)::DOUBLE AS low_ratio,
    log_log_high(incidence, error)::DOUBLE AS high_ratio
FROM curve
