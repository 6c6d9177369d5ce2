-- The records of a REDCap export as the project's dictionary explains them, in the place of the bare texts. Steps of their own and
-- named columns: bound as one expression, or by REPLACE, a project of a thousand fields would take minutes.
-- Grain: record_number.  Parts: cleaned, read (the export's columns with what they say), made (columns made of them), target.
COPY (
    WITH cleaned AS MATERIALIZED (
        SELECT
            record_number,
            {cleaned}
        FROM record
    ),
    explained AS MATERIALIZED (
        SELECT
            record_number,
            {read}
        FROM cleaned
    )
    SELECT
        *,
        {made}
    FROM explained
) TO {target} (FORMAT parquet);
CREATE OR REPLACE TEMP VIEW record AS
SELECT * FROM read_parquet({target})
