-- How fatigue, activity and weakness go together: within patients from month to month, and between patients.
-- Grain: pair.  Inputs: marts.loop_rank.
-- An estimated mart: this statement yields one row a patient, and `fit_correlations` in flows/stages/lags.py makes the mart of them.
SELECT month_count, fatigue_mean, activity_mean, weakness_mean, fatigue_activity, activity_weakness, weakness_fatigue
FROM marts.loop_rank
ORDER BY patient_id
