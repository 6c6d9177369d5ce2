-- Admitted batches with what they brought, the last one first.  Grain: batch_id.
SELECT
    batch.batch_id,
    batch.source_system,
    batch.committed_at,
    batch.file_count,
    coalesce(sum(file.admitted_count), 0)::BIGINT AS admitted_count
FROM ops.batch AS batch
LEFT JOIN ops.file AS file ON file.batch_id = batch.batch_id
GROUP BY ALL
ORDER BY batch.batch_id DESC
