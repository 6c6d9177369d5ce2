-- Which record broke which rule. The original text is in quarantine/<source>-<sha256>.parquet, never here.
-- Grain: file_id, record_number, table_name, rule.
CREATE TABLE IF NOT EXISTS ops.quarantine (
    file_id INTEGER NOT NULL,
    record_number BIGINT NOT NULL,
    table_name VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    column_name VARCHAR,
    action VARCHAR NOT NULL
)
