-- Lower 95 % limit of a rate of events over the time of patients, some of whom have more of them than chance would give.
-- Quasi-Poisson (Wedderburn 1974, Biometrika 61:439): t limits of the logarithm of the rate, spread by Pearson's statistic over n - 1,
-- never by less than Poisson's. Without any event it is 0; NULL for one patient, or none.
-- Params: events, years, patients, squares (sum over patients of events^2 / years),
-- t (97.5 % quantile of the t distribution at patients - 1)
CREATE OR REPLACE MACRO rate_low(events, years, patients, squares, t) AS
    CASE
        WHEN events = 0 THEN 0.0::DOUBLE
        WHEN patients > 1 THEN events / years * exp(
            -t * sqrt(greatest(1.0, (squares * years / events - events) / (patients - 1)) / events)
        )
    END
