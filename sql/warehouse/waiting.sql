-- Current records of one table that `core` does not show yet, because a parent has not come.  Grain: one row.
-- Parts: name, history, current.
SELECT
    {name} AS table_name,
    (SELECT count(*) FROM {history} WHERE superseded_in IS NULL AND NOT is_deleted) - (SELECT count(*) FROM {current}) AS record_count
