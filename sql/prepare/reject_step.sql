-- How many rejects stand before the good records: a step function of their place, cut into blocks of 2,048 places so that an
-- equality join finds it. An inequality join would sort the whole file.
-- Grain: block.  Params: $good_count
CREATE OR REPLACE TABLE reject_step AS
WITH gap AS (
    -- The k-th reject (from 0) stands behind this many good records.
    SELECT ordinal - row_number() OVER (ORDER BY ordinal) AS good_before FROM reject
),
block AS (
    SELECT unnest(generate_series(0, $good_count::BIGINT // 2048)) AS block
),
inside AS (
    SELECT good_before // 2048 AS block, list(good_before) AS places, count(*) AS reject_count
    FROM gap
    GROUP BY ALL
)
SELECT
    block.block,
    coalesce(sum(inside.reject_count) OVER (ORDER BY block.block ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before,
    coalesce(inside.places, []) AS places
FROM block
LEFT JOIN inside ON inside.block = block.block
