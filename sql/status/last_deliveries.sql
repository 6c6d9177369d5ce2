-- When each source last had a file taken, in hours before an instant.  Grain: source_system.
-- A redelivered file has no line of its own: a source that sends the same bytes again and again delivers nothing.
-- Parameter: $now, an instant.
SELECT
    source_system,
    date_diff('hour', max(decided_at), $now::TIMESTAMPTZ) AS hours_since
FROM ops.file
GROUP BY source_system
ORDER BY source_system
