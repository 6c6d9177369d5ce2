-- HMAC-SHA256 (RFC 2104) as 64 hex digits; the pads are the key XOR 0x36 and 0x5c, computed where the key is known.
-- Params: inner_pad, outer_pad (hex, 64 bytes each), message
CREATE OR REPLACE MACRO keyed_hash(inner_pad, outer_pad, message) AS
    sha256(from_hex(outer_pad) || from_hex(sha256(from_hex(inner_pad) || encode(message))))
