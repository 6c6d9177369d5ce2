-- What is wrong with which record, and which rows are admitted with a warning; the patients' pseudonyms found so far.
-- Grain: record_number, table_name, rule | record_number | source_patient_id.
CREATE OR REPLACE TABLE fault (
    record_number BIGINT NOT NULL,
    table_name VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    column_name VARCHAR,
    action VARCHAR NOT NULL,
    message VARCHAR NOT NULL
);
CREATE OR REPLACE TABLE warned (record_number BIGINT NOT NULL);
CREATE OR REPLACE TABLE pseudonym (source_patient_id VARCHAR NOT NULL, patient_id UUID NOT NULL)
