-- The count of each cell as it was last shown, and a fingerprint of its patients: what the next release is compared with, so that
-- no two of them differ by a few. Restricted like the marts.  Grain: cell_key.
CREATE TABLE IF NOT EXISTS ops.shown_cell (
    cell_key VARCHAR NOT NULL,
    release_id INTEGER NOT NULL,
    cell_count BIGINT NOT NULL,
    patient_set UHUGEINT
)
