-- Whether a member was forgotten: then nothing is shown, even while an erasure is not complete.  Grain: one row.
-- Params: source, tombstone
SELECT count(*) > 0 AS is_forgotten
FROM ops.erasure
WHERE source_system = $source AND tombstone = $tombstone
