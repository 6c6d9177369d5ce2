-- Records that DuckDB's reader could not take as a row: too few or too many fields, quotes that do not close, a line too long.
-- Grain: ordinal of the record in the file, from 1 (the reader's `line` counts the header, and blank lines); `start` is the
-- place in the file, from 0, at which the reader saw it begin.
CREATE OR REPLACE TEMP TABLE reject AS
SELECT
    line - 1 AS ordinal,
    min(line_byte_position) - 1 AS start,
    min(CASE error_type::VARCHAR
        WHEN 'MISSING COLUMNS' THEN 'too_few_fields'
        WHEN 'TOO MANY COLUMNS' THEN 'too_many_fields'
        WHEN 'UNQUOTED VALUE' THEN 'broken_quotes'
        WHEN 'LINE SIZE OVER MAXIMUM' THEN 'line_too_long'
        ELSE 'unreadable_record'
    END) AS fault
FROM reject_errors
GROUP BY line
