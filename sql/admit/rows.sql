-- The rows of one table that a batch brings: those of records no rule refuses, in any table.
-- Grain: row of a spool; `place` is the record (file_id and record_number in one number) and orders records within the batch.
-- Parts: view, spools (list of Parquet files).  Tables: batch_file, refused_place.
CREATE OR REPLACE TEMP VIEW {view} AS
SELECT
    batch_file.file_id,
    batch_file.file_id::BIGINT * 1099511627776 + spooled.record_number AS place,
    spooled.* EXCLUDE (filename, broken, is_refused)
FROM read_parquet({spools}, filename = true) AS spooled
JOIN batch_file ON batch_file.spool = spooled.filename
ANTI JOIN refused_place ON refused_place.place = batch_file.file_id::BIGINT * 1099511627776 + spooled.record_number
WHERE NOT spooled.is_refused
