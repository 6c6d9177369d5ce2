-- How many rows of a table name a patient.  Grain: one row.  Parts: place (table), name (column).  Params: $needle.
SELECT count(*) AS row_count FROM {place} WHERE {name} = $needle::UUID
