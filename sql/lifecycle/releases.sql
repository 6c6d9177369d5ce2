-- Every release that was drafted, the last one first.  Grain: release_id.
SELECT
    release_id,
    status,
    as_of_batch,
    as_of_at,
    released_at,
    decided_at,
    reason,
    compared_with,
    cell_count,
    suppressed_count
FROM ops.release
ORDER BY release_id DESC
