-- Lower limit of the 95 % interval of the difference of two independent shares, first less second; NULL if one has nobody.
-- Newcombe (1998), Stat. Med. 17:873-890, method 10: square and add, on Wilson limits.  Params: successes_1, total_1, successes_2, total_2
CREATE OR REPLACE MACRO newcombe_low(successes_1, total_1, successes_2, total_2) AS
    successes_1 / total_1::DOUBLE - successes_2 / total_2::DOUBLE - sqrt(
        pow(successes_1 / total_1::DOUBLE - wilson_low(successes_1, total_1), 2)
        + pow(wilson_high(successes_2, total_2) - successes_2 / total_2::DOUBLE, 2)
    )
