-- The rows of one table that are about to be admitted, as the audit sees them. Tombstones have no content to look at.
-- Grain: row of a spool.  Parts: view, spools (list of Parquet files).
CREATE OR REPLACE TEMP VIEW {view} AS
SELECT * EXCLUDE (broken, is_refused)
FROM read_parquet({spools})
WHERE NOT is_refused AND NOT is_deleted
