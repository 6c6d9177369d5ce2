-- Who was forgotten, by the ids this file names them by, which records are theirs, and which records belong to anybody.
-- Grain: source_patient_id | record_number | record_number, a row of a table.
CREATE OR REPLACE TABLE forgotten_patient (source_patient_id VARCHAR NOT NULL);
CREATE OR REPLACE TABLE forgotten_record (record_number BIGINT NOT NULL);
CREATE OR REPLACE TABLE row_owner (record_number BIGINT NOT NULL, is_forgotten BOOLEAN NOT NULL)
