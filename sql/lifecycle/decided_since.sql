-- Files that operators decided on after an instant: a report of before counted them as held.  Grain: one row.  Params: $at.
SELECT count(*)::BIGINT AS file_count
FROM ops.file
WHERE decided_at > $at
    AND (status = 'refused' OR len(list_filter(reasons, lambda r: r LIKE 'admitted by an operator:%')) > 0)
