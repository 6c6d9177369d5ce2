-- Admitted files whose records do not add up.  Grain: file_id.
SELECT file_id
FROM ops.file
WHERE status = 'admitted'
    AND read_count IS DISTINCT FROM
        admitted_count + unchanged_count + duplicate_count + quarantined_count + out_of_scope_count
ORDER BY file_id
