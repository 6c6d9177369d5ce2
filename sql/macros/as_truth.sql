-- A truth value in the words that exports use, or NULL.  Params: given
CREATE OR REPLACE MACRO as_truth(given) AS
    CASE
        WHEN lower(given) IN ('true', 't', 'yes', 'y', '1') THEN TRUE
        WHEN lower(given) IN ('false', 'f', 'no', 'n', '0') THEN FALSE
    END
