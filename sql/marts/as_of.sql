-- What all marts are made for: what was known (batch), at which instant, of whom, in which window.
-- Grain: one row.  Inputs: none.  Parameters: as_of_batch, as_of_at, condition_code (session variables).
WITH instant AS (
    SELECT
        getvariable('as_of_batch')::INTEGER AS as_of_batch,
        getvariable('as_of_at')::TIMESTAMPTZ AS as_of_at,
        coalesce(getvariable('condition_code')::VARCHAR, 'ms') AS condition_code
)
SELECT
    as_of_batch,
    as_of_at,
    as_of_at::DATE AS as_of_on,
    -- 365 days, the last of which is the day of the instant.
    (as_of_at::DATE - 364)::DATE AS window_from_on,
    365::INTEGER AS window_days,
    condition_code
FROM instant
