-- What this file is: the shape it has, and how often it was written to.  Grain: one row.
CREATE TABLE IF NOT EXISTS ops.version (
    schema_version INTEGER NOT NULL,
    revision BIGINT NOT NULL
)
