-- The digits of a whole number, or NULL: DuckDB's own cast would round 3.7 to 4 and read 1_000 and 0x10.  Params: given
CREATE OR REPLACE MACRO as_whole_number(given) AS
    CASE WHEN regexp_full_match(given, '[+-]?[0-9]{1,18}(\.0*)?') THEN given END
