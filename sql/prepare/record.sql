-- Every record that could be read, with its number in the file: its place in the Parquet file, and the rejects before it.
-- Grain: record_number.  Parts: raw, columns, rejects (an expression over reject_step, or 0), steps (the join with it, or nothing).
CREATE OR REPLACE TEMP VIEW record AS
SELECT
    raw.file_row_number + 1 + {rejects} AS record_number,
    {columns}
FROM read_parquet({raw}, file_row_number = true) AS raw
{steps}
