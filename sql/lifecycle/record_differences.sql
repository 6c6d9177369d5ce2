-- Why the records that are counted are not those of an earlier release.  Grain: one row.
-- new: speaks of a day after it, or of none. late: of an earlier day, but was not counted then. corrected: the same record, other content.
-- withdrawn: counted then and no longer, since it was deleted or its patient's consent ended. Of patients who were forgotten
-- nothing is left to count.
-- Inputs: temporary tables record_before and record_after.
SELECT
    count(*) FILTER (old.record_id IS NULL AND NOT fresh.is_of_before)::BIGINT AS new_count,
    count(*) FILTER (old.record_id IS NULL AND fresh.is_of_before)::BIGINT AS late_count,
    count(*) FILTER (old.row_hash <> fresh.row_hash)::BIGINT AS corrected_count,
    count(*) FILTER (fresh.record_id IS NULL)::BIGINT AS withdrawn_count
FROM record_before AS old
FULL JOIN record_after AS fresh ON fresh.record_id = old.record_id
