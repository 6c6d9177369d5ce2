-- Every report that was drafted: what was known (as_of_batch) and at which instant (as_of_at).  Grain: release_id.
CREATE TABLE IF NOT EXISTS ops.release (
    release_id INTEGER NOT NULL,
    as_of_batch INTEGER NOT NULL,
    as_of_at TIMESTAMPTZ NOT NULL,
    released_at TIMESTAMPTZ NOT NULL,
    status VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    minimum_cell INTEGER NOT NULL,
    cell_count BIGINT NOT NULL,
    suppressed_count BIGINT NOT NULL
)
