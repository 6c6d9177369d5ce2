-- What became of the files and records of each source, up to the batch. Counts of files and records, not of patients.
-- Grain: source_system, is_of_people, measure.  Inputs: ops.file, ops.batch, ops.rule_result (which tables a file feeds).
-- `is_of_people`: files that feed no table but `patient` and `consent`, so that their records are people; not to be released.
-- records_read = the sum of the five dispositions after it. Files that were not admitted belong to no batch: those count that
-- were known when the batch was committed.
WITH known AS (
    SELECT max(batch.committed_at) AS known_at
    FROM ops.batch AS batch
    JOIN marts.as_of AS as_of ON batch.batch_id <= as_of.as_of_batch
),
other AS (
    SELECT DISTINCT file_id FROM ops.rule_result WHERE table_name NOT IN ('patient', 'consent')
),
file AS (
    SELECT file.*, file.status = 'admitted' AS is_admitted, other.file_id IS NULL AS is_of_people
    FROM ops.file AS file
    LEFT JOIN other ON other.file_id = file.file_id
    CROSS JOIN marts.as_of AS as_of
    CROSS JOIN known
    WHERE file.batch_id <= as_of.as_of_batch OR (file.status <> 'admitted' AND file.decided_at <= known.known_at)
),
measured AS (
    SELECT
        source_system,
        is_of_people,
        count(*) FILTER (is_admitted) AS files_admitted,
        count(*) FILTER (status = 'held') AS files_held,
        count(*) FILTER (status = 'refused') AS files_refused,
        count(*) FILTER (status = 'unreadable') AS files_unreadable,
        count(*) FILTER (
            is_admitted AND read_count <> admitted_count + unchanged_count + duplicate_count + quarantined_count + out_of_scope_count
        ) AS files_unbalanced,
        coalesce(sum(read_count) FILTER (is_admitted), 0) AS records_read,
        coalesce(sum(admitted_count) FILTER (is_admitted), 0) AS records_admitted,
        coalesce(sum(unchanged_count) FILTER (is_admitted), 0) AS records_unchanged,
        coalesce(sum(duplicate_count) FILTER (is_admitted), 0) AS records_duplicate,
        coalesce(sum(quarantined_count) FILTER (is_admitted), 0) AS records_quarantined,
        coalesce(sum(out_of_scope_count) FILTER (is_admitted), 0) AS records_out_of_scope
    FROM file
    GROUP BY source_system, is_of_people
),
long AS (
    UNPIVOT measured ON COLUMNS(* EXCLUDE (source_system, is_of_people)) INTO NAME measure VALUE measured_count
)
SELECT
    source_system,
    is_of_people,
    measure::VARCHAR AS measure,
    measured_count::BIGINT AS measured_count
FROM long
