-- How many rows of one table broke each rule.  Grain: rule.  Parts: row.
WITH broken_rule AS (
    SELECT unnest(broken) AS rule FROM {row} WHERE len(broken) > 0
)
SELECT rule, count(*) AS failed_count
FROM broken_rule
GROUP BY ALL
