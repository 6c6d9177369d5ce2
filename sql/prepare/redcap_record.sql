-- The records of a REDCap export as the project's dictionary explains them, in the place of the bare texts.
-- Grain: record_number.  Parts: read (the export's columns with what they say), made (columns made of them).
ALTER VIEW record RENAME TO delivered_record;
CREATE TEMP VIEW record AS
WITH explained AS (
    SELECT * REPLACE (
        {read}
    )
    FROM delivered_record
)
SELECT
    *,
    {made}
FROM explained
