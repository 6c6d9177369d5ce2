-- The median of change by Hodges and Lehmann: the median of the means of all pairs of patients, each with itself too.
-- Grain: treatment_code, instrument_scale, follow_up_days.  Inputs: marts.change_pair.
-- J. L. Hodges, E. L. Lehmann (1963), Ann. Math. Stat. 34:598-611. Scores have few values, so that pairs of different values,
-- weighted by how many patients have them, are few. Where there are more than a thousand values, they are rounded to a
-- thousandth of their spread first.
WITH change AS (
    SELECT treatment_code, instrument_scale, follow_up_days, change_score
    FROM marts.change_pair
    WHERE change_score IS NOT NULL
),
spread AS (
    SELECT
        treatment_code,
        instrument_scale,
        follow_up_days,
        CASE WHEN count(DISTINCT change_score) > 1000 THEN (max(change_score) - min(change_score)) / 1000 END AS step
    FROM change
    GROUP BY ALL
),
counted AS (
    SELECT
        change.treatment_code,
        change.instrument_scale,
        change.follow_up_days,
        coalesce(round(change.change_score / spread.step) * spread.step, change.change_score) AS change_score,
        count(*) AS patient_count
    FROM change
    JOIN spread
        ON spread.treatment_code = change.treatment_code
        AND spread.instrument_scale = change.instrument_scale
        AND spread.follow_up_days = change.follow_up_days
    GROUP BY ALL
),
pair AS (
    SELECT
        one.treatment_code,
        one.instrument_scale,
        one.follow_up_days,
        (one.change_score + other.change_score) / 2 AS mean_change,
        sum(
            CASE
                WHEN one.change_score < other.change_score THEN one.patient_count * other.patient_count
                ELSE one.patient_count * (one.patient_count + 1) // 2
            END
        ) AS pair_count
    FROM counted AS one
    JOIN counted AS other
        ON other.treatment_code = one.treatment_code
        AND other.instrument_scale = one.instrument_scale
        AND other.follow_up_days = one.follow_up_days
        AND one.change_score <= other.change_score
    GROUP BY ALL
),
ranked AS (
    SELECT
        *,
        sum(pair_count) OVER (PARTITION BY treatment_code, instrument_scale, follow_up_days ORDER BY mean_change) AS rank,
        sum(pair_count) OVER (PARTITION BY treatment_code, instrument_scale, follow_up_days) AS total
    FROM pair
)
SELECT
    treatment_code,
    instrument_scale,
    follow_up_days,
    -- The middle one, or the mean of the two in the middle.
    ((min(mean_change) FILTER (rank >= (total + 1) // 2) + min(mean_change) FILTER (rank >= total // 2 + 1)) / 2)::DOUBLE AS median_change
FROM ranked
GROUP BY ALL
