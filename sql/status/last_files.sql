-- The twenty files that were decided on last.  Grain: file_id.
SELECT
    file_id,
    file_name,
    source_system,
    status,
    read_count,
    admitted_count,
    unchanged_count,
    duplicate_count,
    quarantined_count,
    out_of_scope_count
FROM ops.file
ORDER BY decided_at DESC, file_id DESC
LIMIT 20
