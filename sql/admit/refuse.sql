-- An operator's refusal of a held file.  Params: $file_id, $reason, $now
UPDATE ops.file
SET status = 'refused', reasons = list_append(reasons, $reason), decided_at = $now
WHERE file_id = $file_id AND status = 'held'
