-- Records of which a batch says more than one thing, or of which the warehouse has a version: only those need comparing.
-- Grain: record_id.  Parts: contested, rows, history.
CREATE OR REPLACE TEMP TABLE {contested} AS
SELECT record_id
FROM {rows}
GROUP BY record_id
HAVING count(*) > 1
UNION
SELECT arrived.record_id
FROM {rows} AS arrived
SEMI JOIN {history} AS kept ON kept.record_id = arrived.record_id
