-- How many were still on a treatment on each day on which somebody stopped, how many stopped, and the share left (Kaplan-Meier).
-- Grain: source_family, treatment_code, censored_at, day.  Inputs: marts.treatment_follow_up.
-- At risk on a day: followed since before it, and neither stopped nor out of sight before it. Stops count before ends of
-- follow-up on the same day. `censored_at`: at the last confirmation, or, as a bound, at the day of the report for "current".
-- `greenwood` is the sum of d / (n (n - d)): the variance of the share is its square times this; NULL once nobody is left.
WITH follow_up AS (
    SELECT source_family, treatment_code, 'last_confirmed' AS censored_at, entry_days, exit_days, stop_cause
    FROM marts.treatment_follow_up
    UNION ALL
    SELECT source_family, treatment_code, 'as_of' AS censored_at, entry_days, as_of_exit_days AS exit_days, stop_cause
    FROM marts.treatment_follow_up
),
change AS (
    SELECT source_family, treatment_code, censored_at, entry_days AS day, 1 AS entered, 0 AS ended, 0 AS stopped
    FROM follow_up
    UNION ALL
    SELECT source_family, treatment_code, censored_at, exit_days AS day, 0 AS entered, 1 AS ended, (stop_cause IS NOT NULL)::INTEGER AS stopped
    FROM follow_up
),
by_day AS (
    SELECT
        source_family,
        treatment_code,
        censored_at,
        day,
        sum(entered) AS entered,
        sum(ended) AS ended,
        sum(stopped) AS stopped
    FROM change
    GROUP BY ALL
),
at_risk AS (
    SELECT
        *,
        sum(entered - ended) OVER (
            PARTITION BY source_family, treatment_code, censored_at
            ORDER BY day
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS risk_count
    FROM by_day
),
stop_day AS (
    SELECT * FROM at_risk WHERE stopped > 0
)
SELECT
    source_family,
    treatment_code,
    censored_at::VARCHAR AS censored_at,
    day::DOUBLE AS day,
    risk_count::BIGINT AS risk_count,
    stopped::BIGINT AS stop_count,
    (product(1 - stopped / risk_count) OVER so_far)::DOUBLE AS remaining_ratio,
    CASE
        WHEN remaining_ratio > 0 THEN sum(stopped / nullif(risk_count * (risk_count - stopped), 0)) OVER so_far
    END::DOUBLE AS greenwood
FROM stop_day
WINDOW so_far AS (
    PARTITION BY source_family, treatment_code, censored_at ORDER BY day ROWS UNBOUNDED PRECEDING
)
