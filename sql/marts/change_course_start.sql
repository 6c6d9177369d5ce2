-- Starts of courses: spans of one treatment at most 30 days apart are one course.
-- Grain: patient_id, treatment_code, started_on (one of them may be NULL: a start without a date).
-- Inputs: core.consented_treatment_episode, marts.patient.
-- A start of which the month is known stands on its 15th day. Treatments the code list does not know are left out, and sources
-- whose treatments are not dated.
WITH episode AS (
    SELECT
        episode.patient_id,
        episode.treatment_code,
        CASE WHEN episode.started_on_precision = 'month' THEN episode.started_on + 14 ELSE episode.started_on END AS started_on,
        coalesce(episode.started_on_precision, 'day') IN ('day', 'month') AND episode.started_on IS NOT NULL AS is_dated,
        episode.started_on_precision IS NOT DISTINCT FROM 'month' AS is_month_precise,
        -- A span without an end goes on.
        coalesce(episode.stopped_on, DATE '9999-12-31') AS stopped_on
    FROM core.consented_treatment_episode AS episode
    JOIN marts.patient AS patient ON patient.patient_id = episode.patient_id
    CROSS JOIN marts.as_of AS as_of
    WHERE NOT contains(episode.treatment_code, ':')
        AND patient.source_family = 'native'
        AND (episode.started_on IS NULL OR episode.started_on <= as_of.as_of_on)
),
-- Of spans that begin on one day the longest stands for all.
span AS (
    SELECT
        patient_id,
        treatment_code,
        started_on,
        bool_and(is_dated) AS is_dated,
        bool_or(is_month_precise) AS is_month_precise,
        max(stopped_on) AS stopped_on
    FROM episode
    GROUP BY ALL
),
followed AS (
    SELECT
        *,
        max(stopped_on) OVER (
            PARTITION BY patient_id, treatment_code ORDER BY started_on NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS stopped_before_on
    FROM span
)
SELECT
    followed.patient_id,
    followed.treatment_code::VARCHAR AS treatment_code,
    followed.started_on::DATE AS started_on,
    followed.is_dated AND followed.started_on <= as_of.as_of_on AS is_dated,
    followed.is_month_precise
FROM followed
CROSS JOIN marts.as_of AS as_of
WHERE followed.stopped_before_on IS NULL
    OR followed.started_on > followed.stopped_before_on + 30
