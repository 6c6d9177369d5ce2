-- Minutes of physical activity a week: the mean over patients of each patient's mean over the weeks reported in the window.
-- Grain: one row.  Inputs: marts.week_status.
-- Interval: t, 95 %, from 30 patients on; none where all patients are alike.
WITH measured AS (
    SELECT
        count(active_minutes) AS patient_count,
        avg(active_minutes) AS mean_minutes,
        stddev_samp(active_minutes) AS sd_minutes,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (active_minutes IS NOT NULL), 0) AS patient_set
    FROM marts.week_status
)
SELECT
    patient_count::BIGINT AS patient_count,
    mean_minutes::DOUBLE AS mean_minutes,
    (CASE WHEN patient_count >= 30 AND sd_minutes > 0
        THEN mean_minutes - t_quantile(0.975, patient_count - 1) * sd_minutes / sqrt(patient_count) END)::DOUBLE AS low_minutes,
    (CASE WHEN patient_count >= 30 AND sd_minutes > 0
        THEN mean_minutes + t_quantile(0.975, patient_count - 1) * sd_minutes / sqrt(patient_count) END)::DOUBLE AS high_minutes,
    patient_set::UHUGEINT AS patient_set
FROM measured
