-- Falls of each patient in the window, and the days over which they were counted.
-- Grain: patient_id.  Inputs: core.consented_fall_report, marts.patient.
-- Only periods that lie wholly in the window. Of two reports of one period the newest version counts; a period that overlaps one
-- which began earlier is left out, so that no day counts twice. A period of which the injurious falls are not known adds its
-- falls and days, but neither to the injurious falls nor to their days.
WITH report AS (
    SELECT
        report.patient_id,
        report.period_started_on,
        report.period_ended_on,
        report.fall_count,
        report.injurious_fall_count
    FROM core.consented_fall_report AS report
    JOIN marts.as_of AS as_of
        ON report.period_started_on >= as_of.window_from_on AND report.period_ended_on <= as_of.as_of_on
    SEMI JOIN marts.patient AS patient ON patient.patient_id = report.patient_id
    QUALIFY row_number() OVER (
        PARTITION BY report.patient_id, report.period_started_on, report.period_ended_on
        ORDER BY report.source_updated_at DESC NULLS LAST, report.exported_at DESC NULLS LAST, report.row_hash DESC, report.record_id
    ) = 1
),
apart AS (
    SELECT
        *,
        period_ended_on - period_started_on + 1 AS day_count
    FROM report
    QUALIFY coalesce(
        period_started_on > max(period_ended_on) OVER (
            PARTITION BY patient_id
            ORDER BY period_started_on, period_ended_on
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ),
        true
    )
)
SELECT
    patient_id,
    sum(day_count)::BIGINT AS day_count,
    sum(fall_count)::BIGINT AS fall_count,
    (sum(day_count) FILTER (injurious_fall_count IS NOT NULL))::BIGINT AS injurious_day_count,
    (sum(injurious_fall_count))::BIGINT AS injurious_fall_count
FROM apart
GROUP BY ALL
