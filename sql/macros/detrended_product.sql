-- Sum of the products of what is left of u and v once each is freed of its own straight line over the times t. An aggregate.
-- Params: u, v, t.  NULL for fewer than two times.
CREATE OR REPLACE MACRO detrended_product(u, v, t) AS
    regr_sxy(u, v) - regr_sxy(u, t) * regr_sxy(v, t) / nullif(regr_sxx(t, t), 0)
