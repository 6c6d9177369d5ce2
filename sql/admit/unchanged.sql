-- Records whose row the warehouse has already.  Grain: row.  Parts: rows, content.
INSERT INTO unchanged_place
SELECT arrived.place
FROM {rows} AS arrived
JOIN {content} AS said ON said.record_id = arrived.record_id AND said.row_hash = arrived.row_hash
WHERE NOT said.is_new
