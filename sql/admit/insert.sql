-- Add the new versions; those that are outranked arrive superseded.  Parts: history, rows, content, columns.
-- Params: $batch_id
INSERT INTO {history} BY NAME
SELECT
    {columns},
    said.exported_at,
    arrived.file_id,
    arrived.record_number,
    $batch_id::INTEGER AS admitted_in,
    CASE WHEN NOT said.is_winner THEN $batch_id::INTEGER END AS superseded_in
FROM {rows} AS arrived
JOIN {content} AS said
    ON said.first_place = arrived.place
    AND said.record_id = arrived.record_id
    AND said.row_hash = arrived.row_hash
    AND said.is_new
