-- The last release, if it was drafted of the same batch and instant by the same statements and no later one took its place.
-- Grain: at most one row.  Params: $batch, $at, $cell, $fingerprint.
SELECT release_id, released_at, status, reason
FROM ops.release
WHERE release_id = (SELECT max(release_id) FROM ops.release)
    AND status <> 'superseded'
    AND as_of_batch = $batch
    AND as_of_at = $at
    AND minimum_cell = $cell
    AND fingerprint = $fingerprint
