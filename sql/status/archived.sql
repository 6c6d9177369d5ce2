-- What must lie in the archive under its hash: every admitted or held file out of which no erasure took records.
-- Grain: source_system, sha256.
SELECT source_system, sha256, min(file_id) AS file_id
FROM ops.file
WHERE status IN ('admitted', 'held') AND erased_count = 0
GROUP BY source_system, sha256
ORDER BY file_id
