-- When each source last had a file taken, in microseconds since 1970.  Grain: source_system.
-- A redelivered file has no line of its own: a source that sends the same bytes again and again delivers nothing.
-- No parameter: to bind one, DuckDB's client imports pandas, which takes longer than all of `status`.
SELECT
    source_system,
    epoch_us(max(decided_at)) AS last_at_us
FROM ops.file
GROUP BY source_system
ORDER BY source_system
