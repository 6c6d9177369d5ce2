-- 1 if a file is a JSON document, by DuckDB's reader.
-- Grain: one row.  Params: $path
SELECT count(*) FILTER (WHERE json_valid(content)) FROM read_text($path)
