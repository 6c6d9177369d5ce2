-- The last day on which each patient is known to have reported anything: a symptom, a score, a rating, a week, a fall, a relapse.
-- Grain: patient_id.
-- Inputs: core.consented_symptom_report, core.consented_outcome_assessment, core.consented_treatment_evaluation,
-- core.consented_treatment_episode, core.consented_weekly_activity, core.consented_activity_limitation, core.consented_fall_report,
-- core.consented_relapse.
-- A treatment counts by the day on which it was last confirmed; that it stopped may be told much later, so that day does not count.
WITH reported AS (
    SELECT patient_id, reported_on FROM core.consented_symptom_report
    UNION ALL
    SELECT patient_id, assessed_on FROM core.consented_outcome_assessment
    UNION ALL
    SELECT patient_id, evaluated_on FROM core.consented_treatment_evaluation
    UNION ALL
    SELECT patient_id, last_confirmed_on FROM core.consented_treatment_episode
    UNION ALL
    SELECT patient_id, week_starting_on + 6 FROM core.consented_weekly_activity
    UNION ALL
    SELECT patient_id, reported_on FROM core.consented_activity_limitation
    UNION ALL
    SELECT patient_id, period_ended_on FROM core.consented_fall_report
    UNION ALL
    SELECT patient_id, started_on FROM core.consented_relapse
)
SELECT reported.patient_id, max(reported.reported_on)::DATE AS last_reported_on
FROM reported
JOIN marts.as_of AS as_of ON reported.reported_on <= as_of.as_of_on
SEMI JOIN marts.patient AS patient ON patient.patient_id = reported.patient_id
GROUP BY reported.patient_id
