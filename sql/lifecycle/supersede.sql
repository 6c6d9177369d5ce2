-- Drafts, and held ones, in whose place a later release has come.  Params: $by, $now, $is_held_too.
UPDATE ops.release
SET status = 'superseded', decided_at = $now, reason = 'release ' || $by || ' took its place'
WHERE release_id <> $by AND (status = 'draft' OR (status = 'held' AND $is_held_too))
