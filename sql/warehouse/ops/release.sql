-- Every report that was drafted: what was known (as_of_batch) and at which instant (as_of_at).  Grain: release_id.
-- status: draft; superseded by a later draft or approval; held by an operator; approved, and with that published.
-- released_at is when it was drafted, compared_with the last approved release of that moment (NULL: there was none).
-- The fingerprints change with what figures are computed by; erasure_count is how many people had been forgotten: both say, when
-- figures are to be repeated, why they cannot be. sources and windows are what its pages say of it besides its cells.
CREATE TABLE IF NOT EXISTS ops.release (
    release_id INTEGER NOT NULL,
    as_of_batch INTEGER NOT NULL,
    as_of_at TIMESTAMPTZ NOT NULL,
    released_at TIMESTAMPTZ NOT NULL,
    status VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    minimum_cell INTEGER NOT NULL,
    cell_count BIGINT NOT NULL,
    suppressed_count BIGINT NOT NULL,
    compared_with INTEGER,
    decided_at TIMESTAMPTZ,
    reason VARCHAR,
    window_from_on DATE NOT NULL,
    window_to_on DATE NOT NULL,
    sources STRUCT(source_system VARCHAR, description VARCHAR, consent_basis VARCHAR)[] NOT NULL,
    fingerprints STRUCT(part VARCHAR, mark VARCHAR)[] NOT NULL,
    erasure_count INTEGER NOT NULL
)
