-- Lower limit of the 95 % score interval of a share; NULL if there is no one to ask.  Params: successes, total
-- Wilson (1927), J. Am. Stat. Assoc. 22:209-212, with z = 1.959964 and z^2 = 3.841459. Exactly 0 at no success.
CREATE OR REPLACE MACRO wilson_low(successes, total) AS
    CASE
        WHEN total = 0 THEN NULL
        WHEN successes = 0 THEN 0.0::DOUBLE
        ELSE (
            successes / total::DOUBLE + 3.841458820694124 / (2 * total)
            - 1.959963984540054 * sqrt(
                (successes / total::DOUBLE) * (1 - successes / total::DOUBLE) / total + 3.841458820694124 / (4.0 * total * total)
            )
        ) / (1 + 3.841458820694124 / total)
    END
