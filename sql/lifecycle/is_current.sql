-- Whether a release still has the status it had, and no later one has it too.  Grain: one row.  Params: $id, $status.
SELECT coalesce(max(release_id) = $id, false) AS is_current FROM ops.release WHERE status = $status
