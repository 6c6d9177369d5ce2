-- Delete every version of a patient's records of one table, and the rows that end one of them without naming anybody.
-- Grain: none.  Parts: history.  Params: $patient, $records.
DELETE FROM {history}
WHERE patient_id = $patient::UUID
    OR (patient_id IS NULL AND record_id IN (SELECT unnest($records::UUID[])))
