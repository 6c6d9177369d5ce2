-- Rules that rows broke, in the files admitted up to the batch. Counts of rows, not of patients.
-- Grain: table_name, rule.  Inputs: ops.rule_result, ops.file.
SELECT
    result.table_name,
    result.rule,
    min(result.action)::VARCHAR AS action,
    sum(result.checked_count)::BIGINT AS checked_count,
    sum(result.failed_count)::BIGINT AS failed_count
FROM ops.rule_result AS result
JOIN ops.file AS file ON file.file_id = result.file_id AND file.status = 'admitted'
JOIN marts.as_of AS as_of ON file.batch_id <= as_of.as_of_batch
GROUP BY result.table_name, result.rule
HAVING sum(result.failed_count) > 0
