-- The report that is published, and the last one drafted after it that waits for a decision or was held.  Grain: release_id.
WITH approved AS (
    SELECT coalesce(max(release_id), 0) AS release_id FROM ops.release WHERE status = 'approved'
)
SELECT release.release_id, release.as_of_batch, release.as_of_at, release.status, release.reason
FROM ops.release AS release
CROSS JOIN approved
WHERE release.release_id = approved.release_id
    OR (release.release_id > approved.release_id AND release.status IN ('draft', 'held'))
QUALIFY row_number() OVER (PARTITION BY release.status = 'approved' ORDER BY release.release_id DESC) = 1
ORDER BY release.release_id
