-- The median number of records in the source's last ten files that fed the same tables; NULL with fewer than three of them.
-- Grain: one row.  Params: $source, $tables
WITH fed AS (
    SELECT file_id, list_sort(list(DISTINCT table_name)) AS tables
    FROM ops.rule_result
    GROUP BY ALL
),
last_files AS (
    SELECT file.read_count
    FROM ops.file AS file
    JOIN fed ON fed.file_id = file.file_id AND fed.tables = $tables::VARCHAR[]
    WHERE file.source_system = $source AND file.status = 'admitted'
    ORDER BY file.file_id DESC
    LIMIT 10
)
SELECT CASE WHEN count(*) >= 3 THEN median(read_count) END AS usual_count
FROM last_files
