-- Patients named so far whose pseudonyms have a tombstone.  Grain: source_patient_id.
-- Params: $tombstones.  Variables of the session: inner_pad, outer_pad.
INSERT INTO forgotten_patient
SELECT source_patient_id
FROM pseudonym
WHERE tombstone(getvariable('inner_pad'), getvariable('outer_pad'), patient_id) IN (SELECT unnest($tombstones::VARCHAR[]))
