-- The exact count of each cell that a release shows, and a fingerprint of its patients. Those of approved releases are what the next
-- one is compared with, so that no two of them differ by a few; what only a draft shows counts for nothing until it is approved.
-- Restricted like the marts.  Grain: release_id, cell_key.
CREATE TABLE IF NOT EXISTS ops.shown_cell (
    release_id INTEGER NOT NULL,
    cell_key VARCHAR NOT NULL,
    cell_count BIGINT NOT NULL,
    patient_set UHUGEINT
)
