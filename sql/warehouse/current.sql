-- The current records of one table whose parents are there.  Grain: record_id.
-- As of a batch if the session's variable `as_of_batch` is set (SET VARIABLE as_of_batch = 7), else of all batches.
-- Parts: view, history, columns, parents (generated from the table's contract).
CREATE OR REPLACE VIEW {view} AS
SELECT
    {columns}
FROM {history} AS h
{parents}
WHERE h.admitted_in <= coalesce(getvariable('as_of_batch')::INTEGER, 2147483647)
    AND (h.superseded_in IS NULL OR h.superseded_in > coalesce(getvariable('as_of_batch')::INTEGER, 2147483647))
    AND NOT h.is_deleted
