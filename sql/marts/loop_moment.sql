-- Sufficient statistics of the lagged regressions: per patient sums of products, freed of level and straight line.
-- Grain: patient_id, lag_months, part.  Inputs: marts.loop_month.
-- Pairs of a month and the month `lag_months` before, both of the patient's longest run. `part` is the whole run or, where it has 16
-- months or more, its first or second half, for the half-panel jackknife (addendum B, 4.10). Shorter runs, from 6 months, have the
-- whole and a lag of one month only.
-- Predictors: fatigue, activity, weakness before; treatments now and before, which take the steps of treatment out of the series.
-- `predictor_products` is the upper triangle, row by row, of their products; `outcome_products` has for each predictor its
-- products with fatigue, activity and weakness now.
WITH month AS (
    SELECT * FROM marts.loop_month WHERE is_longest AND run_months >= 6
),
pair AS (
    SELECT
        before.patient_id,
        before.run_months,
        after.month_number - before.month_number AS lag_months,
        after.month_number AS t,
        before.fatigue AS f,
        before.activity AS a,
        before.weakness AS w,
        before.treatment_count AS u,
        after.treatment_count AS v,
        after.fatigue AS fatigue,
        after.activity AS activity,
        after.weakness AS weakness,
        CASE
            WHEN before.run_months < 16 THEN ['whole']
            WHEN after.month_number < after.first_month + after.run_months // 2 THEN ['whole', 'first']
            WHEN before.month_number >= before.first_month + before.run_months // 2 THEN ['whole', 'second']
            ELSE ['whole']
        END AS parts
    FROM month AS before
    JOIN (SELECT 1 AS lag_months UNION ALL SELECT 2 UNION ALL SELECT 3) AS lag
        ON lag.lag_months = 1 OR before.run_months >= 16
    JOIN month AS after
        ON after.patient_id = before.patient_id AND after.month_number = before.month_number + lag.lag_months
),
parted AS (
    SELECT * EXCLUDE (parts), unnest(parts) AS part FROM pair
)
SELECT
    patient_id,
    run_months,
    lag_months::INTEGER AS lag_months,
    part::VARCHAR AS part,
    count(*)::INTEGER AS pair_count,
    [
        detrended_product(f, f, t), detrended_product(f, a, t), detrended_product(f, w, t), detrended_product(f, u, t),
        detrended_product(f, v, t), detrended_product(a, a, t), detrended_product(a, w, t), detrended_product(a, u, t),
        detrended_product(a, v, t), detrended_product(w, w, t), detrended_product(w, u, t), detrended_product(w, v, t),
        detrended_product(u, u, t), detrended_product(u, v, t), detrended_product(v, v, t)
    ]::DOUBLE[] AS predictor_products,
    [
        detrended_product(f, fatigue, t), detrended_product(f, activity, t), detrended_product(f, weakness, t),
        detrended_product(a, fatigue, t), detrended_product(a, activity, t), detrended_product(a, weakness, t),
        detrended_product(w, fatigue, t), detrended_product(w, activity, t), detrended_product(w, weakness, t),
        detrended_product(u, fatigue, t), detrended_product(u, activity, t), detrended_product(u, weakness, t),
        detrended_product(v, fatigue, t), detrended_product(v, activity, t), detrended_product(v, weakness, t)
    ]::DOUBLE[] AS outcome_products
FROM parted
GROUP BY ALL
