-- An instant in ISO 8601, in the session's time zone where it names none, or NULL. The cast alone would read '2025-04-01 x'.
-- Params: given
CREATE OR REPLACE MACRO as_instant(given) AS
    CASE
        WHEN regexp_full_match(given, '\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?')
            THEN TRY_CAST(given AS TIMESTAMPTZ)
    END
