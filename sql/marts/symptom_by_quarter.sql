-- How severe a symptom was at the end of each quarter: patients who had reported on it in the 365 days to then, and those of them
-- whose latest report of these says moderate or severe.
-- Grain: symptom_code, quarter, severity_group.  Inputs: core.consented_symptom_report, marts.patient, marts.quarter.
-- The rules are those of marts.latest_symptom and marts.symptom_status: the latest day, of that day the newest report for each part of
-- the body, of these the worst. The year of one quarter overlaps those of the next three, so that quarters do not add up to people.
-- Not by reports within the quarter alone: nearly all who report do so in each, and the few who did not could be told.
WITH report AS (
    SELECT
        report.patient_id,
        CASE
            WHEN report.symptom_code IN ('leg_weakness', 'arm_weakness', 'trunk_weakness', 'facial_weakness') THEN 'muscle_weakness'
            ELSE report.symptom_code
        END AS symptom_code,
        CASE report.symptom_code
            WHEN 'leg_weakness' THEN 'legs'
            WHEN 'arm_weakness' THEN 'arms_hands'
            WHEN 'trunk_weakness' THEN 'torso'
            WHEN 'facial_weakness' THEN 'face'
            ELSE coalesce(report.body_region, 'unknown')
        END AS body_region,
        date_trunc('quarter', report.reported_on)::DATE AS reported_quarter,
        report.reported_on,
        report.severity,
        report.source_updated_at,
        report.exported_at,
        report.row_hash,
        report.record_id
    FROM core.consented_symptom_report AS report
    JOIN (SELECT min(year_from_on) AS from_on, max(to_on) AS to_on FROM marts.quarter) AS span
        ON report.reported_on BETWEEN span.from_on AND span.to_on
    SEMI JOIN marts.patient AS patient ON patient.patient_id = report.patient_id
    WHERE NOT contains(report.symptom_code, ':')
),
last_day AS (
    SELECT *
    FROM report
    QUALIFY reported_on = max(reported_on) OVER (PARTITION BY patient_id, symptom_code, reported_quarter)
),
latest AS (
    SELECT patient_id, symptom_code, reported_quarter, reported_on, severity
    FROM last_day
    QUALIFY row_number() OVER (
        PARTITION BY patient_id, symptom_code, reported_on, body_region
        ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
    ) = 1
),
status AS (
    SELECT patient_id, symptom_code, reported_quarter, reported_on, max(severity) AS severity FROM latest GROUP BY ALL
),
until_next AS (
    SELECT
        *,
        lead(reported_quarter) OVER (PARTITION BY patient_id, symptom_code ORDER BY reported_quarter) AS next_quarter
    FROM status
),
-- A report stands at the end of its quarter and of those after it, until there is a later one or a year has passed.
standing AS (
    SELECT *, unnest([0, 3, 6, 9]) AS months_on FROM until_next
),
dated AS (
    SELECT standing.patient_id, standing.symptom_code, quarter.quarter, quarter.from_on, quarter.to_on, standing.severity
    FROM standing
    JOIN marts.quarter AS quarter
        ON quarter.from_on = (standing.reported_quarter + to_months(standing.months_on))::DATE
        AND (standing.next_quarter IS NULL OR quarter.from_on < standing.next_quarter)
        AND standing.reported_on >= quarter.year_from_on
),
severity_group(severity_group, lowest, position) AS (
    VALUES ('reporting', 0, 1), ('moderate_or_severe', 2, 2)
),
counted AS (
    SELECT
        dated.symptom_code,
        dated.quarter,
        dated.from_on,
        dated.to_on,
        severity_group.severity_group,
        severity_group.position,
        count(*) FILTER (dated.severity >= severity_group.lowest) AS patient_count,
        coalesce(bit_xor(patient_mark(dated.patient_id)) FILTER (dated.severity >= severity_group.lowest), 0) AS patient_set
    FROM dated
    CROSS JOIN severity_group
    GROUP BY ALL
)
SELECT
    symptom_code::VARCHAR AS symptom_code,
    quarter,
    from_on,
    to_on,
    severity_group::VARCHAR AS severity_group,
    position::INTEGER AS position,
    patient_count::BIGINT AS patient_count,
    patient_set::UHUGEINT AS patient_set
FROM counted
