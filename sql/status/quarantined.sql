-- Refused and blanked records.  Grain: file_id, table_name, rule, action.
SELECT
    file.file_id,
    file.file_name,
    quarantine.table_name,
    quarantine.rule,
    quarantine.action,
    count(DISTINCT quarantine.record_number) AS record_count
FROM ops.quarantine AS quarantine
JOIN ops.file AS file ON file.file_id = quarantine.file_id
GROUP BY ALL
ORDER BY ALL
