-- What no report has seen yet: batches after that of the last report.  Grain: one row; without a report, every batch.
SELECT
    list_distinct(list(batch.source_system)) AS source_names,
    coalesce(sum(batch.file_count), 0)::BIGINT AS file_count,
    coalesce(max(batch.batch_id), 0) AS batch_id
FROM ops.batch AS batch
WHERE batch.batch_id > (SELECT coalesce(max(as_of_batch), 0) FROM ops.release)
