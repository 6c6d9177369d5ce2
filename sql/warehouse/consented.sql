-- One table's current records of patients who may be counted in released aggregates.  Grain: record_id.
-- Parts: view, current.
CREATE OR REPLACE VIEW {view} AS
SELECT c.*
FROM {current} AS c
SEMI JOIN core.consent_state AS state ON state.patient_id = c.patient_id AND state.is_consented
