-- The records that the reader could not split into fields, as faults of the whole record.  Grain: record_number.
-- Parts: messages (WHEN kind THEN text, by what the reader says was wrong).
INSERT INTO fault
SELECT ordinal, '', fault, NULL, 'refuse', CASE fault {messages} END
FROM reject