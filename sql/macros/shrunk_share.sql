-- A share drawn towards what is usual, the more so the fewer it is of: mean of the beta distribution of (a, b) after successes of total.
-- Params: successes, total, a, b
CREATE OR REPLACE MACRO shrunk_share(successes, total, a, b) AS
    CASE WHEN total > 0 THEN (successes + a) / (total + a + b) END
