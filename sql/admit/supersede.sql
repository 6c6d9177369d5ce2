-- Mark the current versions which a batch replaces.  Parts: history, content.  Params: $batch_id
UPDATE {history}
SET superseded_in = $batch_id
WHERE superseded_in IS NULL AND record_id IN (SELECT record_id FROM {content} WHERE is_winner AND is_known)
