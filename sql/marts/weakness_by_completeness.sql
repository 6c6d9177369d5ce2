-- Weakness of those who report often and of those who report seldom: whether who goes silent differs from who goes on.
-- Grain: reported_months, severity_group.  Inputs: marts.symptom_status, core.consented_symptom_report.
-- Months of the calendar, within the window, in which a patient reported on any symptom the code list knows; of those who reported
-- on weakness. A window of 365 days touches up to thirteen months.
WITH month AS (
    SELECT report.patient_id, count(DISTINCT date_trunc('month', report.reported_on)) AS month_count
    FROM core.consented_symptom_report AS report
    JOIN marts.as_of AS as_of ON report.reported_on BETWEEN as_of.window_from_on AND as_of.as_of_on
    WHERE NOT contains(report.symptom_code, ':')
    GROUP BY ALL
),
member AS (
    SELECT
        status.patient_id,
        status.severity,
        CASE
            WHEN month.month_count <= 3 THEN '1-3'
            WHEN month.month_count <= 6 THEN '4-6'
            WHEN month.month_count <= 9 THEN '7-9'
            ELSE '10 or more'
        END AS reported_months
    FROM marts.symptom_status AS status
    JOIN month ON month.patient_id = status.patient_id
    WHERE status.symptom_code = 'muscle_weakness'
),
band(reported_months, position) AS (
    VALUES ('1-3', 1), ('4-6', 2), ('7-9', 3), ('10 or more', 4)
),
severity_group(severity_group, lowest, group_position) AS (
    VALUES ('reporting', 0, 1), ('moderate_or_severe', 2, 2)
)
SELECT
    band.reported_months::VARCHAR AS reported_months,
    band.position::INTEGER AS position,
    severity_group.severity_group::VARCHAR AS severity_group,
    severity_group.group_position::INTEGER AS group_position,
    count(member.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM band
CROSS JOIN severity_group
SEMI JOIN (SELECT count(*) AS member_count FROM member) AS counted ON counted.member_count > 0
LEFT JOIN member ON member.reported_months = band.reported_months AND member.severity >= severity_group.lowest
GROUP BY ALL
