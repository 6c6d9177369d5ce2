-- Add the records that are new and said once.  Parts: history, rows, contested, columns.  Params: $batch_id
INSERT INTO {history} BY NAME
SELECT
    {columns},
    arrived.exported_at,
    arrived.file_id,
    arrived.record_number,
    $batch_id::INTEGER AS admitted_in,
    NULL::INTEGER AS superseded_in
FROM {rows} AS arrived
ANTI JOIN {contested} AS contested ON contested.record_id = arrived.record_id
