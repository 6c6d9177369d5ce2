-- End what an earlier take of a file brought and the new one does not.  Parts: history, rows.  Params: $batch_id
UPDATE {history}
SET superseded_in = $batch_id
WHERE superseded_in IS NULL
    AND admitted_in < $batch_id
    AND file_id IN (SELECT file_id FROM retaken)
    AND record_id NOT IN (SELECT record_id FROM {rows})
