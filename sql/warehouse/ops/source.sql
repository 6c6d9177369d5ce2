-- The sources as they were when they last brought something.  Grain: source_system.
CREATE TABLE IF NOT EXISTS ops.source (
    source_system VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    consent_basis VARCHAR
)
