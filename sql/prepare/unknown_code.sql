-- The faults of records whose codes no list knows, each with its code: what to add to the list, or to leave out of the export.
-- Grain: record_number.  Inputs: unmapped.
INSERT INTO fault
SELECT record_number, '', 'unknown_code', NULL, 'refuse', 'no code list knows what this record is about: ' || code
FROM unmapped
WHERE code IS NOT NULL
