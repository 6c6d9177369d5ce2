-- The last approved release as of a batch.  Grain: at most one row.  Params: $batch.
SELECT release_id FROM ops.release WHERE status = 'approved' AND as_of_batch = $batch ORDER BY release_id DESC LIMIT 1
