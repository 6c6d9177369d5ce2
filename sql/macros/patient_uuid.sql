-- The pseudonym of a patient: first 16 bytes of HMAC-SHA256 over the length-prefixed word, source and source id.
-- Params: inner_pad, outer_pad (hex), source, id
CREATE OR REPLACE MACRO patient_uuid(inner_pad, outer_pad, source, id) AS
    left(keyed_hash(
        inner_pad, outer_pad, length_prefixed('patient') || length_prefixed(source) || length_prefixed(id)
    ), 32)::UUID
