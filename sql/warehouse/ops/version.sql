-- What this file is: the shape it has, how often it was written to, and a mark of the key its pseudonyms were made with.  Grain: one row.
CREATE TABLE IF NOT EXISTS ops.version (
    schema_version INTEGER NOT NULL,
    revision BIGINT NOT NULL,
    key_mark VARCHAR NOT NULL
)
