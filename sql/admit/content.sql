-- What a batch says of each contested record: every distinct content once, against the version that is current.
-- Grain: record_id, row_hash.  Parts: content, rows, contested, history.
-- The rank of a version is (source_updated_at, exported_at, row_hash), NULLs lowest: by content only, so that neither the
-- order nor the splitting of files matters. Only what an earlier take of the same file brought gives way to the new take. The same content exported again takes the later export's rank.
CREATE OR REPLACE TEMP TABLE {content} AS
WITH said AS (
    SELECT
        record_id,
        row_hash,
        any_value(source_updated_at) AS source_updated_at,
        max(exported_at) AS exported_at,
        min(place) AS first_place,
        count(*) AS row_count
    FROM {rows}
    SEMI JOIN {contested} USING (record_id)
    GROUP BY record_id, row_hash
),
current AS (
    SELECT
        kept.record_id,
        kept.row_hash,
        kept.source_updated_at,
        greatest(kept.exported_at, same.exported_at) AS exported_at,
        kept.file_id IN (SELECT file_id FROM retaken) AS is_retaken,
        same.exported_at > kept.exported_at OR (kept.exported_at IS NULL AND same.exported_at IS NOT NULL) AS is_exported_later
    FROM {history} AS kept
    SEMI JOIN said ON said.record_id = kept.record_id
    LEFT JOIN said AS same ON same.record_id = kept.record_id AND same.row_hash = kept.row_hash
    WHERE kept.superseded_in IS NULL
),
ranked AS (
    SELECT
        said.*,
        current.record_id IS NOT NULL AS is_known,
        coalesce(current.is_exported_later, FALSE) AND said.row_hash = current.row_hash AS is_exported_later,
        said.row_hash IS NOT DISTINCT FROM current.row_hash AS is_current_already,
        current.record_id IS NULL OR current.is_retaken OR (
            coalesce(said.source_updated_at, '-infinity'::TIMESTAMPTZ),
            coalesce(said.exported_at, '-infinity'::TIMESTAMPTZ),
            said.row_hash
        ) > (
            coalesce(current.source_updated_at, '-infinity'::TIMESTAMPTZ),
            coalesce(current.exported_at, '-infinity'::TIMESTAMPTZ),
            current.row_hash
        ) AS is_higher
    FROM said
    LEFT JOIN current ON current.record_id = said.record_id
),
older AS (
    SELECT DISTINCT kept.record_id, kept.row_hash
    FROM {history} AS kept
    SEMI JOIN ranked
        ON ranked.record_id = kept.record_id
        AND ranked.row_hash = kept.row_hash
        AND NOT ranked.is_higher
        AND NOT ranked.is_current_already
),
judged AS (
    SELECT
        ranked.*,
        NOT ranked.is_current_already AND older.record_id IS NULL AS is_new
    FROM ranked
    LEFT JOIN older ON older.record_id = ranked.record_id AND older.row_hash = ranked.row_hash
)
SELECT
    record_id,
    row_hash,
    exported_at,
    first_place,
    row_count,
    is_exported_later,
    is_known,
    is_new,
    -- Of the new contents that rank above the current version, the highest becomes current.
    is_new AND is_higher AND row_number() OVER (
        PARTITION BY record_id
        ORDER BY is_new AND is_higher DESC, source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC
    ) = 1 AS is_winner
FROM judged
