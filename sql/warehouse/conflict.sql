-- Records of one table of which two contents are told apart by their hash only: same source time, same export.
-- Grain: table_name, record_id.  Parts: name, history.
SELECT {name} AS table_name, record_id, count(DISTINCT row_hash) AS content_count
FROM {history}
GROUP BY table_name, record_id, source_updated_at, exported_at
HAVING count(DISTINCT row_hash) > 1
