-- A number with a decimal comma, written with a point; points are read as thousands signs only where thousands end, so that
-- 1.5 does not become 15. Anything else is NULL.  Params: given
CREATE OR REPLACE MACRO with_point(given) AS
    CASE
        WHEN regexp_full_match(given, '[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]*)(,[0-9]*)?([eE][+-]?[0-9]{1,3})?')
            THEN replace(replace(given, '.', ''), ',', '.')
    END
