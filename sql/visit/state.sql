-- What the published file stands on: the mark of its key, and the last batch in it.  Grain: one row.
SELECT
    version.key_mark,
    (SELECT max(batch_id) FROM ops.batch) AS batch_id,
    (SELECT max(committed_at) FROM ops.batch) AS committed_at
FROM ops.version AS version
