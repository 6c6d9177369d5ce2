-- How alike starters and the patients they are compared with were before: standardised differences, before and after matching.
-- Grain: treatment_code, outcome_code, matching, covariate.  Inputs: marts.comparison.
-- In standard deviations before matching. `not_known`: the greatest, regardless of sign, of all shares whose value is not known.
WITH balance AS (
    SELECT treatment_code, outcome_code, unnest(balance, recursive := true) FROM marts.comparison
),
stacked AS (
    SELECT treatment_code, outcome_code, covariate, 'before' AS matching, before AS difference FROM balance
    UNION ALL
    SELECT treatment_code, outcome_code, covariate, 'after' AS matching, after AS difference FROM balance
)
SELECT
    treatment_code,
    outcome_code,
    matching::VARCHAR AS matching,
    CASE WHEN covariate LIKE '% not known' THEN 'not_known' ELSE covariate END::VARCHAR AS covariate,
    arg_max(difference, abs(difference))::DOUBLE AS difference
FROM stacked
GROUP BY ALL
