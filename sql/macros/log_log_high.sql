-- Upper limit of the 95 % interval of a share from its standard error, on the scale log(-log): see log_log_low.
-- Params: share, error
CREATE OR REPLACE MACRO log_log_high(share, error) AS
    CASE WHEN share > 0 AND share < 1 THEN pow(share, exp(1.959963984540054 * error / (share * ln(share)))) END
