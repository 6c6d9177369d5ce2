-- Every cell that an approved release before a given one has shown, as the last of these did.  Grain: cell_key.
-- Params: $before, a release_id; NULL for all approved ones.
SELECT shown.cell_key, shown.release_id, shown.cell_count, shown.patient_set
FROM ops.shown_cell AS shown
SEMI JOIN ops.release AS release
    ON release.release_id = shown.release_id
    AND release.status = 'approved'
    AND release.release_id < coalesce($before, 2147483647)
QUALIFY row_number() OVER (PARTITION BY shown.cell_key ORDER BY shown.release_id DESC) = 1
