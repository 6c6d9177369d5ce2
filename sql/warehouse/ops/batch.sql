-- All files of one source that one sweep admitted: one transaction.  Grain: batch_id.
CREATE TABLE IF NOT EXISTS ops.batch (
    batch_id INTEGER NOT NULL,
    source_system VARCHAR NOT NULL,
    committed_at TIMESTAMPTZ NOT NULL,
    file_count INTEGER NOT NULL
)
