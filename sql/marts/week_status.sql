-- How each patient last reported a week in the window, and how active they were on average of the weeks they reported.
-- Grain: patient_id.  Inputs: core.consented_weekly_activity, marts.patient.
-- Weeks that lie wholly in the window. Of two reports of one week the newest version counts. NULL where a patient said nothing of it.
WITH week AS (
    SELECT report.*
    FROM core.consented_weekly_activity AS report
    JOIN marts.as_of AS as_of ON report.week_starting_on BETWEEN as_of.window_from_on AND as_of.as_of_on - 6
    SEMI JOIN marts.patient AS patient ON patient.patient_id = report.patient_id
    QUALIFY row_number() OVER (
        PARTITION BY report.patient_id, report.week_starting_on
        ORDER BY report.source_updated_at DESC NULLS LAST, report.exported_at DESC NULLS LAST, report.row_hash DESC, report.record_id
    ) = 1
)
SELECT
    patient_id,
    count(*)::INTEGER AS week_count,
    coalesce(arg_max(coalesce(pacing, 'unknown'), week_starting_on), 'unknown')::VARCHAR AS pacing,
    arg_max(coalesce(inactivity_reasons, []), week_starting_on)::VARCHAR[] AS inactivity_reasons,
    avg(active_minutes)::DOUBLE AS active_minutes
FROM week
GROUP BY ALL
