-- A list written as `1|2||4` as small whole numbers, an empty place as NULL; NULL if any item is not one.  Params: given
CREATE OR REPLACE MACRO as_whole_numbers(given) AS
    CASE
        WHEN len(list_filter(string_split(given, '|'), item -> cleaned(item) IS NOT NULL
                AND TRY_CAST(as_whole_number(cleaned(item)) AS SMALLINT) IS NULL)) = 0
            THEN list_transform(string_split(given, '|'), item -> TRY_CAST(as_whole_number(cleaned(item)) AS SMALLINT))
    END
