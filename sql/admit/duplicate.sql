-- Records whose row repeats an earlier one of the batch.  Grain: row.  Parts: rows, content.
INSERT INTO duplicate_place
SELECT arrived.place
FROM {rows} AS arrived
JOIN {content} AS said ON said.record_id = arrived.record_id AND said.row_hash = arrived.row_hash
WHERE said.is_new AND said.row_count > 1 AND arrived.place <> said.first_place
