-- Patients who may be counted in released aggregates.  Grain: patient_id.
CREATE OR REPLACE VIEW core.consented_patient AS
SELECT patient.*
FROM core.patient AS patient
SEMI JOIN core.consent_state AS state ON state.patient_id = patient.patient_id AND state.is_consented
