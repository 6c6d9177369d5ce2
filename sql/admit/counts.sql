-- How many records of each file of a batch were admitted, unchanged or duplicate: one of the three each, in this order.
-- Grain: file_id.  Parts: distinct (DISTINCT where a record may have several rows, else nothing).  Tables: admitted_place, unchanged_place, duplicate_place.
WITH admitted AS (
    SELECT {distinct} place FROM admitted_place
),
unchanged AS (
    SELECT {distinct} place FROM unchanged_place ANTI JOIN admitted USING (place)
),
duplicate AS (
    SELECT {distinct} place FROM duplicate_place ANTI JOIN admitted USING (place) ANTI JOIN unchanged USING (place)
),
disposed AS (
    SELECT place, 'admitted' AS disposition FROM admitted
    UNION ALL
    SELECT place, 'unchanged' FROM unchanged
    UNION ALL
    SELECT place, 'duplicate' FROM duplicate
)
SELECT
    (place // 1099511627776)::INTEGER AS file_id,
    count(*) FILTER (disposition = 'admitted') AS admitted_count,
    count(*) FILTER (disposition = 'unchanged') AS unchanged_count,
    count(*) FILTER (disposition = 'duplicate') AS duplicate_count
FROM disposed
GROUP BY ALL
