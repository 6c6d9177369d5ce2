-- Courses of treatment: spans of one treatment of one patient that are at most 30 days apart.
-- Grain: patient_id, treatment_code, course_number.  Inputs: core.treatment_episode.
-- As of the session's variable `as_of_at` if it is set, else now: a span begun later is none yet, one stopped later is in use.
-- A stop known by month or year counts as the end of that month or year when gaps are measured. A span in use has no end; one
-- of which neither use nor stop is known ends when it was last confirmed. Spans without a start are courses of their own.
-- The status is that of the span of which there is the latest word. `start_day` and `stop_day` are for arithmetic: the 15th
-- where the month is known, NULL where only the year is.
CREATE OR REPLACE VIEW core.treatment_course AS
WITH instant AS (
    SELECT coalesce(getvariable('as_of_at')::TIMESTAMPTZ, now())::DATE AS as_of_on
),
span AS (
    SELECT
        episode.record_id,
        episode.patient_id,
        episode.source_system,
        episode.treatment_code,
        episode.started_on,
        coalesce(episode.started_on_precision, CASE WHEN episode.started_on IS NULL THEN 'unknown' ELSE 'day' END) AS started_on_precision,
        coalesce(episode.stopped_on > instant.as_of_on, false) AS is_stopped_later,
        CASE WHEN NOT is_stopped_later THEN episode.stopped_on END AS stopped_on,
        CASE WHEN NOT is_stopped_later THEN episode.stopped_on_precision END AS stopped_on_precision,
        CASE
            WHEN is_stopped_later THEN 'current'
            WHEN episode.stopped_on IS NOT NULL OR episode.status = 'stopped' THEN 'stopped'
            WHEN episode.status = 'current' THEN 'current'
            ELSE 'unknown'
        END AS status,
        CASE
            WHEN is_stopped_later OR episode.last_confirmed_on > instant.as_of_on THEN instant.as_of_on
            ELSE episode.last_confirmed_on
        END AS confirmed_on,
        CASE WHEN is_stopped_later THEN NULL ELSE episode.stop_reasons END AS stop_reasons,
        instant.as_of_on
    FROM core.treatment_episode AS episode
    CROSS JOIN instant
    WHERE episode.started_on IS NULL OR episode.started_on <= instant.as_of_on
),
dated AS (
    SELECT
        *,
        CASE stopped_on_precision
            WHEN 'year' THEN make_date(year(stopped_on), 12, 31)
            WHEN 'month' THEN last_day(stopped_on)
            ELSE stopped_on
        END AS stopped_by,
        CASE
            WHEN status = 'stopped' THEN coalesce(stopped_by, confirmed_on, started_on)
            ELSE coalesce(confirmed_on, started_on)
        END AS known_on,
        CASE WHEN status = 'current' THEN DATE '9999-01-01' ELSE known_on END AS ended_on,
        CASE stopped_on_precision WHEN 'year' THEN NULL WHEN 'month' THEN stopped_on + 14 ELSE stopped_on END AS stop_day,
        CASE started_on_precision
            WHEN 'day' THEN started_on
            WHEN 'month' THEN least(started_on + 14, coalesce(stop_day, as_of_on), as_of_on)
        END AS start_day
    FROM span
),
parted AS (
    SELECT
        *,
        max(ended_on) OVER (
            PARTITION BY patient_id, treatment_code
            ORDER BY started_on NULLS LAST, ended_on, record_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS ended_before
    FROM dated
),
numbered AS (
    SELECT
        *,
        count(*) FILTER (started_on IS NULL OR ended_before IS NULL OR started_on > ended_before + 30) OVER (
            PARTITION BY patient_id, treatment_code
            ORDER BY started_on NULLS LAST, ended_on, record_id
            ROWS UNBOUNDED PRECEDING
        ) AS course_number
    FROM parted
),
course AS (
    SELECT
        patient_id,
        treatment_code,
        course_number,
        first(source_system ORDER BY started_on, ended_on, record_id) AS source_system,
        count(*) AS span_count,
        min(started_on) AS started_on,
        first(started_on_precision ORDER BY started_on, ended_on, record_id) AS started_on_precision,
        first(start_day ORDER BY started_on, ended_on, record_id) AS start_day,
        first(status ORDER BY known_on DESC NULLS LAST, status = 'current' DESC, record_id) AS status,
        first(stopped_on ORDER BY known_on DESC NULLS LAST, status = 'current' DESC, record_id) AS stopped_on,
        first(stopped_on_precision ORDER BY known_on DESC NULLS LAST, status = 'current' DESC, record_id) AS stopped_on_precision,
        first(stop_day ORDER BY known_on DESC NULLS LAST, status = 'current' DESC, record_id) AS stop_day,
        first(coalesce(stop_reasons, []) ORDER BY known_on DESC NULLS LAST, status = 'current' DESC, record_id) AS stop_reasons,
        max(known_on) AS last_confirmed_on
    FROM numbered
    GROUP BY ALL
)
SELECT
    patient_id,
    treatment_code,
    course_number::INTEGER AS course_number,
    source_system,
    span_count::INTEGER AS span_count,
    started_on,
    started_on_precision,
    start_day,
    status,
    stopped_on,
    stopped_on_precision,
    stop_day,
    stop_reasons,
    last_confirmed_on
FROM course
