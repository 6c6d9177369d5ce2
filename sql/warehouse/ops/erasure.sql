-- People who were forgotten, without anything that leads to them: a tombstone is a keyed hash, of no use without the key.
-- proved_at is NULL until a search of the whole workspace has found nothing of them.  Grain: erasure_id.
CREATE TABLE IF NOT EXISTS ops.erasure (
    erasure_id INTEGER NOT NULL,
    source_system VARCHAR NOT NULL,
    tombstone VARCHAR NOT NULL,
    begun_at TIMESTAMPTZ NOT NULL,
    proved_at TIMESTAMPTZ,
    file_count INTEGER,
    record_count BIGINT
)
