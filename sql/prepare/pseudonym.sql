-- The pseudonym of every patient whom the rows of one table name, computed once a patient.  Grain: source_patient_id.
-- Parts: select, trimmed, patient.  Variables of the session: source_system, inner_pad, outer_pad.
INSERT INTO pseudonym
WITH mapped AS (
    {select}
),
trimmed AS (
    SELECT {trimmed} FROM mapped
),
named AS (
    SELECT DISTINCT {patient} AS source_patient_id FROM trimmed
)
SELECT
    source_patient_id,
    patient_uuid(getvariable('inner_pad'), getvariable('outer_pad'), getvariable('source_system'), source_patient_id) AS patient_id
FROM named
ANTI JOIN pseudonym AS known USING (source_patient_id)
WHERE source_patient_id IS NOT NULL
