-- What became of the records of some files, and which rules they broke.
-- Grain: source_system, position, what.  Parameter: $file_ids, a list.
WITH file AS (
    SELECT * FROM ops.file WHERE list_contains($file_ids::INTEGER[], file_id)
),
fate AS (
    UNPIVOT (
        SELECT
            source_system,
            sum(read_count) AS "read",
            sum(admitted_count) AS admitted,
            sum(unchanged_count) AS unchanged,
            sum(duplicate_count) AS duplicate,
            sum(quarantined_count) AS quarantined,
            sum(out_of_scope_count) AS "out of scope"
        FROM file
        GROUP BY source_system
    )
    ON "read", admitted, unchanged, duplicate, quarantined, "out of scope"
    INTO NAME what VALUE record_count
),
broken AS (
    SELECT
        file.source_system,
        quarantine.action || ': ' || quarantine.table_name || ', ' || quarantine.rule AS what,
        count(DISTINCT (file.file_id, quarantine.record_number)) AS record_count
    FROM ops.quarantine AS quarantine
    JOIN file ON file.file_id = quarantine.file_id
    GROUP BY ALL
)
SELECT source_system, 1 AS position, what, record_count::BIGINT AS record_count FROM fate
UNION ALL
SELECT source_system, 2, what, record_count FROM broken
ORDER BY source_system, position, record_count DESC, what
