-- By what a patient who was forgotten is known again: a keyed hash of the pseudonym, 32 hex digits, of no use without the key.
-- Params: inner_pad, outer_pad (hex, 64 bytes each), patient_id
CREATE OR REPLACE MACRO tombstone(inner_pad, outer_pad, patient_id) AS
    left(keyed_hash(inner_pad, outer_pad, length_prefixed('forgotten') || patient_id::VARCHAR), 32)
