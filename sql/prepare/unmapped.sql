-- Records that the source says feed no table: without a code they are out of scope, with one they are refused, and it is named.
-- Grain: record_number.  Inputs: raw.  Parts: select (of the source: record_number, code).
CREATE OR REPLACE TEMP TABLE unmapped AS
SELECT
    record_number::BIGINT AS record_number,
    any_value(left(code, 200))::VARCHAR AS code
FROM (
    {select}
)
GROUP BY record_number
