-- A band of years since something began; `unknown` if it is not known, or lies in the future.  Params: years (whole)
CREATE OR REPLACE MACRO years_band(years) AS
    CASE
        WHEN years IS NULL OR years < 0 THEN 'unknown'
        WHEN years < 5 THEN '0-4'
        WHEN years < 10 THEN '5-9'
        WHEN years < 20 THEN '10-19'
        WHEN years < 30 THEN '20-29'
        ELSE '30+'
    END
