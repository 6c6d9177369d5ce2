-- One release as it was drafted, without its cells.  Grain: at most one row.  Params: $id.
SELECT
    release_id,
    as_of_batch,
    as_of_at,
    released_at,
    minimum_cell,
    window_from_on,
    window_to_on,
    fingerprint,
    sources,
    status,
    compared_with,
    fingerprints,
    erasure_count
FROM ops.release
WHERE release_id = $id
