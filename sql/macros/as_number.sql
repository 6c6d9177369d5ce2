-- A number with a decimal point, or NULL: no thousands signs, no nan, nothing so large that it would be infinite, no minus zero.
-- Params: given
CREATE OR REPLACE MACRO as_number(given) AS
    CASE
        WHEN regexp_full_match(given, '[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?') AND isfinite(TRY_CAST(given AS DOUBLE))
            THEN TRY_CAST(given AS DOUBLE) + 0.0::DOUBLE
    END
