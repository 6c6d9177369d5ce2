-- How many rows a rule saw and how many broke it.  Grain: file_id, table_name, rule.
CREATE TABLE IF NOT EXISTS ops.rule_result (
    file_id INTEGER NOT NULL,
    table_name VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    dimension VARCHAR NOT NULL,
    checked_count BIGINT NOT NULL,
    failed_count BIGINT NOT NULL
)
