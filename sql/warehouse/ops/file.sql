-- Every file that ever landed: (source_system, file_key) is the file, where file_key is
-- the hash of its bytes and, where its name says a table or a time, a mark of that.  Grain: file_id.
-- status: admitted; held until an operator admits or refuses it; refused by one; unreadable.
-- A file that was taken again from the archive keeps its line, and taken_again_as is the file_id of the new one.
-- erased_count: records of people who were forgotten. Blank ones stand in the archive where they were, so that all others keep
-- their numbers; the other counts are those of the day on which the file was taken.
-- read = admitted + unchanged + duplicate + quarantined + out_of_scope wherever status is admitted.
CREATE TABLE IF NOT EXISTS ops.file (
    file_id INTEGER NOT NULL,
    source_system VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    file_key VARCHAR NOT NULL,
    file_name VARCHAR NOT NULL,
    byte_count BIGINT NOT NULL,
    status VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL,
    reasons VARCHAR[] NOT NULL,
    batch_id INTEGER,
    exported_at TIMESTAMPTZ,
    decided_at TIMESTAMPTZ NOT NULL,
    fingerprint VARCHAR NOT NULL,
    read_count BIGINT,
    independent_count BIGINT,
    admitted_count BIGINT,
    unchanged_count BIGINT,
    duplicate_count BIGINT,
    quarantined_count BIGINT,
    out_of_scope_count BIGINT,
    warned_count BIGINT,
    taken_again_as INTEGER,
    erased_count BIGINT NOT NULL DEFAULT 0
)
