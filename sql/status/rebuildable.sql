-- The files from which a workspace can be made anew: admitted ones as they were last read, and those that are held; in the order
-- in which they were decided on. `override` is the reason that an operator gave for admitting one.  Grain: file_id.
SELECT
    source_system,
    sha256,
    file_name,
    status,
    batch_id,
    regexp_extract(array_to_string(reasons, chr(10)), 'admitted by an operator: (.*)', 1) AS override,
    erased_count > 0 AS is_rewritten
FROM ops.file
WHERE status IN ('admitted', 'held') AND taken_again_as IS NULL
ORDER BY batch_id NULLS LAST, file_id
