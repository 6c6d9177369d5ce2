-- How each of fatigue, activity and muscle weakness follows the three of one to three months before, within patients.
-- Grain: series (long, short), lag_months, predictor, outcome.  Inputs: marts.loop_moment.
-- An estimated mart: this statement yields one row a patient and lag, and `fit_lags` in flows/stages/lags.py makes the mart of them.
-- Long series have 16 consecutive months or more; of short ones only the direction may be released.
SELECT
    CASE WHEN run_months >= 16 THEN 'long' ELSE 'short' END::VARCHAR AS series,
    lag_months,
    sum(pair_count) FILTER (part = 'whole')::INTEGER AS pair_count,
    list_concat(
        any_value(predictor_products) FILTER (part = 'whole'), any_value(outcome_products) FILTER (part = 'whole'),
        any_value(predictor_products) FILTER (part = 'first'), any_value(outcome_products) FILTER (part = 'first'),
        any_value(predictor_products) FILTER (part = 'second'), any_value(outcome_products) FILTER (part = 'second')
    )::DOUBLE[] AS products
FROM marts.loop_moment
GROUP BY patient_id, run_months, lag_months
ORDER BY series, lag_months, patient_id
