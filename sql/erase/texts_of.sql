-- How many rows of a table have a text in a column, or in a list of texts.  Grain: one row.
-- Parts: place (table), name (column).  Params: $needle.
SELECT count(*) AS row_count FROM {place} WHERE contains({name}::VARCHAR, $needle)
