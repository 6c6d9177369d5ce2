-- What each patient reported in each of the 36 calendar months up to that of the report: one value of each measure.
-- Grain: patient_id, measure, month_number (12 times the year plus the month).
-- Inputs: core.consented_symptom_report, core.consented_weekly_activity, marts.score, marts.trial_outcome.
-- Symptoms: severity 0 to 3, of a day the worst over the parts of the body (of one part the newest version), of a month the mean of
-- its days. `active_minutes`: mean minutes a week, of weeks by their Thursday. Instruments: mean
-- score, of one scale each; of two forms answered on one day their mean. `known_on` is the last day that counts in it.
WITH span AS (
    SELECT as_of_on, 12 * year(as_of_on) + month(as_of_on) AS last_month FROM marts.as_of
),
symptom AS (
    SELECT
        report.patient_id,
        CASE
            WHEN report.symptom_code IN ('leg_weakness', 'arm_weakness', 'trunk_weakness', 'facial_weakness') THEN 'muscle_weakness'
            ELSE report.symptom_code
        END AS measure,
        CASE report.symptom_code
            WHEN 'leg_weakness' THEN 'legs'
            WHEN 'arm_weakness' THEN 'arms_hands'
            WHEN 'trunk_weakness' THEN 'torso'
            WHEN 'facial_weakness' THEN 'face'
            ELSE coalesce(report.body_region, 'unknown')
        END AS body_region,
        report.reported_on AS known_on,
        report.severity AS value,
        report.source_updated_at,
        report.exported_at,
        report.row_hash,
        report.record_id
    FROM core.consented_symptom_report AS report
    CROSS JOIN span
    WHERE 12 * year(report.reported_on) + month(report.reported_on) > span.last_month - 36
        AND report.reported_on <= span.as_of_on
        AND report.symptom_code IN (
            'fatigue', 'muscle_weakness', 'leg_weakness', 'arm_weakness', 'trunk_weakness', 'facial_weakness', 'vision_problems'
        )
),
newest_symptom AS (
    SELECT patient_id, measure, known_on, value
    FROM symptom
    QUALIFY row_number() OVER (
        PARTITION BY patient_id, measure, body_region, known_on
        ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
),
day_severity AS (
    SELECT patient_id, measure, known_on, max(value)::DOUBLE AS value FROM newest_symptom GROUP BY ALL
),
week AS (
    SELECT
        activity.patient_id,
        'active_minutes' AS measure,
        activity.week_starting_on + 3 AS known_on,
        activity.active_minutes::DOUBLE AS value
    FROM core.consented_weekly_activity AS activity
    WHERE activity.active_minutes IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY activity.patient_id, activity.week_starting_on
        ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
),
assessment AS (
    SELECT score.patient_id, score.instrument_code AS measure, score.assessed_on AS known_on, avg(score.score)::DOUBLE AS value
    FROM marts.score AS score
    WHERE score.instrument_code = 'pdds'
        OR score.instrument_code IN (SELECT outcome_code FROM marts.trial_outcome WHERE outcome_kind = 'instrument')
    GROUP BY ALL
),
measured AS (
    SELECT patient_id, measure, known_on, value FROM day_severity
    UNION ALL
    SELECT patient_id, measure, known_on, value FROM week
    UNION ALL
    SELECT patient_id, measure, known_on, value FROM assessment
)
SELECT
    measured.patient_id,
    measured.measure::VARCHAR AS measure,
    (12 * year(measured.known_on) + month(measured.known_on))::INTEGER AS month_number,
    avg(measured.value)::DOUBLE AS value,
    max(measured.known_on)::DATE AS known_on
FROM measured
SEMI JOIN marts.patient AS patient ON patient.patient_id = measured.patient_id
CROSS JOIN span
WHERE measured.known_on <= span.as_of_on
    AND 12 * year(measured.known_on) + month(measured.known_on) > span.last_month - 36
GROUP BY ALL
