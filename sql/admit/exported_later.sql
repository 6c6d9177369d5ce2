-- The same content in a later export ranks as that export does.  Parts: history, content.
UPDATE {history} AS kept
SET exported_at = said.exported_at
FROM {content} AS said
WHERE said.is_exported_later
    AND kept.superseded_in IS NULL
    AND kept.record_id = said.record_id
    AND kept.row_hash = said.row_hash
