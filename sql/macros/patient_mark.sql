-- A patient's share in the fingerprint of a set of patients, which is the exclusive or of these. The upper half, a hash, tells
-- sets apart; the lower half turns one bit of 64, so that two sets differ by at least as many patients as there are bits set
-- in the lower half of their difference.  Params: patient_id
CREATE OR REPLACE MACRO patient_mark(patient_id) AS
    (md5_number_lower(patient_id::VARCHAR)::UHUGEINT << 64) | (1::UHUGEINT << (md5_number_upper(patient_id::VARCHAR) % 64)::UHUGEINT)
