-- The records that a batch brought into one table, as they stand there now.  Grain: row.  Parts: history.  Params: $batch_id
INSERT INTO admitted_place
SELECT file_id::BIGINT * 1099511627776 + record_number AS place
FROM {history}
WHERE admitted_in = $batch_id
