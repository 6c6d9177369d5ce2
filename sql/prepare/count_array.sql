-- The number of elements of an array in a JSON document, by DuckDB's reader; NULL if that sees no such array.
-- Grain: one row.  Params: $path, $pointer (JSON pointer to the array, empty if the document is the array)
SELECT CASE json_type(content, $pointer) WHEN 'ARRAY' THEN json_array_length(content, $pointer) END
FROM read_text($path)
