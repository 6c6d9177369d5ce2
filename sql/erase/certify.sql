-- Note that nothing of a person was found any more. An erasure that was begun twice counts what the greater of its runs found.
-- Grain: none.  Params: $id, $now, $files, $records.
UPDATE ops.erasure
SET
    proved_at = $now,
    file_count = greatest(coalesce(file_count, 0), $files),
    record_count = greatest(coalesce(record_count, 0), $records)
WHERE erasure_id = $id
