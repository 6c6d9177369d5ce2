-- What was decided of a release, when and why.  Params: $id, $status, $now, $reason.
UPDATE ops.release SET status = $status, decided_at = $now, reason = $reason WHERE release_id = $id
