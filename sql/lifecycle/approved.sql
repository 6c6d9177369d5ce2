-- The last approved release.  Grain: at most one row.
SELECT release_id FROM ops.release WHERE status = 'approved' ORDER BY release_id DESC LIMIT 1
