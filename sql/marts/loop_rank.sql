-- Rank correlations of fatigue, activity and weakness of one patient over the months, and the patient's means.
-- Grain: patient_id.  Inputs: marts.loop_month.  Patients with more than three months in which all three are known.
-- Spearman: correlation of mean ranks. NULL where one of the two never changes. Ranks are not freed of trends.
WITH ranked AS (
    SELECT
        patient_id,
        fatigue,
        activity,
        weakness,
        rank() OVER (PARTITION BY patient_id ORDER BY fatigue) + (count(*) OVER (PARTITION BY patient_id, fatigue) - 1) / 2 AS f,
        rank() OVER (PARTITION BY patient_id ORDER BY activity) + (count(*) OVER (PARTITION BY patient_id, activity) - 1) / 2 AS a,
        rank() OVER (PARTITION BY patient_id ORDER BY weakness) + (count(*) OVER (PARTITION BY patient_id, weakness) - 1) / 2 AS w
    FROM marts.loop_month
),
summed AS (
    SELECT
        patient_id,
        count(*) AS month_count,
        avg(fatigue) AS fatigue_mean,
        avg(activity) AS activity_mean,
        avg(weakness) AS weakness_mean,
        regr_sxx(f, f) AS ff,
        regr_sxx(a, a) AS aa,
        regr_sxx(w, w) AS ww,
        regr_sxy(f, a) AS fa,
        regr_sxy(a, w) AS aw,
        regr_sxy(w, f) AS wf
    FROM ranked
    GROUP BY ALL
    HAVING count(*) > 3
)
SELECT
    patient_id,
    month_count::INTEGER AS month_count,
    fatigue_mean::DOUBLE AS fatigue_mean,
    activity_mean::DOUBLE AS activity_mean,
    weakness_mean::DOUBLE AS weakness_mean,
    (fa / nullif(sqrt(ff * aa), 0))::DOUBLE AS fatigue_activity,
    (aw / nullif(sqrt(aa * ww), 0))::DOUBLE AS activity_weakness,
    (wf / nullif(sqrt(ww * ff), 0))::DOUBLE AS weakness_fatigue
FROM summed
