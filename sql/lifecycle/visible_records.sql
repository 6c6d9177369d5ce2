-- The current records of one table whose patients may be counted, as of the session's variables: which version of each, and
-- whether it speaks of a day up to $until; one without a day does not.  Grain: record_id.
-- Parts: target, view, day (a column).  Params: $until.
CREATE OR REPLACE TEMP TABLE {target} AS
SELECT
    record.record_id,
    record.row_hash,
    coalesce(record.{day}::DATE <= $until::DATE, false) AS is_of_before
FROM {view} AS record
