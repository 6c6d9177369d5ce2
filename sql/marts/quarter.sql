-- The last eight calendar quarters that were over on the day of the report.
-- Grain: quarter.  Inputs: marts.as_of.
-- `year_from_on` begins the 365 days that end with the quarter: of the last day of the report these are the window.
WITH quarter AS (
    SELECT
        (date_trunc('quarter', as_of.as_of_on + 1) - to_months(3 * ago))::DATE AS from_on,
        (date_trunc('quarter', as_of.as_of_on + 1) - to_months(3 * (ago - 1)))::DATE - 1 AS to_on
    FROM marts.as_of AS as_of
    CROSS JOIN (SELECT unnest(range(1, 9))::INTEGER AS ago) AS past
)
SELECT
    (year(from_on)::VARCHAR || '-Q' || quarter(from_on)::VARCHAR)::VARCHAR AS quarter,
    from_on::DATE AS from_on,
    to_on::DATE AS to_on,
    (to_on - 364)::DATE AS year_from_on
FROM quarter
