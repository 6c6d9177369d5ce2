-- Lower limit of the 95 % interval of a share from its standard error, on the scale log(-log): it stays within 0 and 1.
-- NULL at 0 and at 1, where the scale ends. Kalbfleisch & Prentice (1980), The Statistical Analysis of Failure Time Data.
-- Params: share, error
CREATE OR REPLACE MACRO log_log_low(share, error) AS
    CASE WHEN share > 0 AND share < 1 THEN pow(share, exp(-1.959963984540054 * error / (share * ln(share)))) END
