-- Every figure of every release, as published: what is suppressed is NULL here too.  Grain: release_id, table_id, cell_key, statistic.
-- n_patients and denominator are counts of `unit`: patients, or records, files and codes in the topic data_quality, where
-- n_patients is NULL.
-- subject_kind and subject say what a row is about, where it is about one thing: symptom fatigue, treatment baclofen.
CREATE TABLE IF NOT EXISTS ops.release_cell (
    release_id INTEGER NOT NULL,
    topic VARCHAR NOT NULL,
    table_id VARCHAR NOT NULL,
    cell_key VARCHAR NOT NULL,
    subject_kind VARCHAR,
    subject VARCHAR,
    dimension_1 VARCHAR NOT NULL,
    value_1 VARCHAR NOT NULL,
    label_1 VARCHAR NOT NULL,
    dimension_2 VARCHAR,
    value_2 VARCHAR,
    label_2 VARCHAR,
    statistic VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    n_patients BIGINT,
    denominator BIGINT,
    "value" DOUBLE,
    low DOUBLE,
    high DOUBLE,
    state VARCHAR NOT NULL,
    mart VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    as_of_at TIMESTAMPTZ NOT NULL,
    as_of_batch INTEGER NOT NULL
)
