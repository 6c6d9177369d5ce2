-- Upper 95 % limit of a rate of events over the time of patients, some of whom have more of them than chance would give.
-- Quasi-Poisson, as rate_low. Without any event it is Poisson's exact limit, 3.689 / years (Garwood 1936, Biometrika 28:437).
-- Params: events, years, patients, squares (sum over patients of events^2 / years),
-- t (97.5 % quantile of the t distribution at patients - 1)
CREATE OR REPLACE MACRO rate_high(events, years, patients, squares, t) AS
    CASE
        WHEN events = 0 THEN -ln(0.025) / years
        WHEN patients > 1 THEN events / years * exp(
            t * sqrt(greatest(1.0, (squares * years / events - events) / (patients - 1)) / events)
        )
    END
