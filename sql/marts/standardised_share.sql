-- Shares of nrSPMS and of the courses known not to be nrSPMS, as they would be with the ages and sexes of both together.
-- Grain: symptom_code, course, severity_group.  Inputs: marts.symptom_status, marts.patient_profile, marts.course.
-- Direct standardisation: strata of age (under 50, 50-59, 60+) and sex (female, male); weight of a stratum: its part of everyone of
-- both groups who reported on the symptom. Patients without age or sex, or of another sex, are left out. No share if a stratum has
-- somebody, but nobody of one of the groups. Interval: Wilson, at the number of patients who, of one stratum, would tell as
-- much (Kish): 1 / sum(weight^2 / patients).
WITH member AS (
    SELECT
        status.symptom_code,
        course.course,
        profile.age_group,
        profile.sex,
        status.severity
    FROM marts.symptom_status AS status
    JOIN marts.patient_profile AS profile ON profile.patient_id = status.patient_id
    JOIN marts.course AS course ON course.course_group = profile.course_group AND course.course IN ('nrspms', 'other_courses')
    WHERE status.symptom_code IN ('muscle_weakness', 'fatigue') AND profile.age_group IS NOT NULL AND profile.sex IS NOT NULL
),
severity_group(severity_group, lowest) AS (
    VALUES ('any', 1), ('moderate_or_severe', 2)
),
stratum AS (
    SELECT
        member.symptom_code,
        severity_group.severity_group,
        member.course,
        member.age_group,
        member.sex,
        count(*) AS patient_count,
        count(*) FILTER (member.severity >= severity_group.lowest) AS with_count
    FROM member
    CROSS JOIN severity_group
    GROUP BY ALL
),
pooled AS (
    SELECT symptom_code, severity_group, age_group, sex, count(*) = 2 AS has_both, sum(patient_count) AS patient_count
    FROM stratum
    GROUP BY ALL
),
standard AS (
    SELECT
        * EXCLUDE (patient_count),
        patient_count / sum(patient_count) OVER (PARTITION BY symptom_code, severity_group) AS weight
    FROM pooled
),
summed AS (
    SELECT
        stratum.symptom_code,
        stratum.severity_group,
        stratum.course,
        sum(stratum.patient_count) AS patient_count,
        sum(standard.weight * stratum.with_count / stratum.patient_count) AS share,
        1.0 / sum(standard.weight * standard.weight / stratum.patient_count) AS effective_count
    FROM stratum
    JOIN standard
        ON standard.symptom_code = stratum.symptom_code
        AND standard.severity_group = stratum.severity_group
        AND standard.age_group = stratum.age_group
        AND standard.sex = stratum.sex
    GROUP BY ALL
),
complete AS (
    SELECT symptom_code, severity_group, bool_and(has_both) AS has_both FROM standard GROUP BY ALL
)
SELECT
    summed.symptom_code::VARCHAR AS symptom_code,
    summed.course,
    summed.severity_group::VARCHAR AS severity_group,
    summed.patient_count::BIGINT AS patient_count,
    (CASE WHEN complete.has_both THEN summed.share END)::DOUBLE AS share_ratio,
    (CASE WHEN complete.has_both THEN wilson_low(summed.share * summed.effective_count, summed.effective_count) END)::DOUBLE AS low_ratio,
    (CASE WHEN complete.has_both THEN wilson_high(summed.share * summed.effective_count, summed.effective_count) END)::DOUBLE AS high_ratio
FROM summed
JOIN complete ON complete.symptom_code = summed.symptom_code AND complete.severity_group = summed.severity_group
