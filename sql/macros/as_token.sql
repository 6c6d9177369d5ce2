-- A word as code lists write it: lower case, no apostrophes, anything else that is neither letter nor digit an underscore.
-- Must say the same as schemas.codes.normalise_token (a test holds them together).  Params: given
CREATE OR REPLACE MACRO as_token(given) AS
    trim(regexp_replace(regexp_replace(lower(given), '[''’‘`´]', '', 'g'), '[^\p{L}\p{N}]+', '_', 'g'), '_')
