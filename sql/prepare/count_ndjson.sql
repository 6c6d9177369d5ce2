-- The number of lines of an NDJSON file that are not blank, by DuckDB's reader; lines that are no JSON count too.
-- Grain: one row.  Params: $path, $most (bytes that a line may have)
SELECT count(*) FROM read_ndjson_objects($path, ignore_errors = true, maximum_object_size = $most, compression = 'uncompressed')
