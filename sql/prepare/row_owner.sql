-- The rows of one table that belong to a patient, and whether to one who was forgotten. A row that names no patient belongs to
-- the patient of the record it ends, if that record is known.
-- Grain: a row of the source's SELECT.  Parts: select, trimmed, patient, record, table.  Params: $record_ids.
-- Variables of the session: record_key, source_system.
INSERT INTO row_owner
WITH mapped AS (
    {select}
),
trimmed AS (
    SELECT record_number, {trimmed} FROM mapped
),
named AS (
    SELECT
        record_number,
        {patient} AS source_patient_id,
        CASE
            WHEN len($record_ids::UUID[]) > 0
                THEN record_uuid(getvariable('record_key'), {table}, getvariable('source_system'), {record})
        END AS record_id
    FROM trimmed
),
judged AS (
    SELECT
        record_number,
        source_patient_id,
        coalesce(source_patient_id IN (SELECT source_patient_id FROM forgotten_patient), FALSE)
            OR coalesce(record_id IN (SELECT unnest($record_ids::UUID[])), FALSE) AS is_forgotten
    FROM named
)
SELECT record_number, is_forgotten
FROM judged
WHERE source_patient_id IS NOT NULL OR is_forgotten
