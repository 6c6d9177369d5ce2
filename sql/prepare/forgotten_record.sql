-- Records of people who were forgotten: those whose rows are theirs, those of nobody in which a field is their id, and, in a
-- file that was rewritten, the blank ones that stand where theirs were.
-- Grain: record_number.  Parts: fields (a list of the record's cleaned columns), is_blank (a condition).
-- Params: $tombstones.  Variables of the session: inner_pad, outer_pad, source_system.
INSERT INTO forgotten_record
WITH unowned AS (
    SELECT record_number, unnest({fields}) AS field
    FROM record
    ANTI JOIN row_owner AS owner USING (record_number)
),
suspect AS (
    SELECT DISTINCT field FROM unowned WHERE field IS NOT NULL
),
theirs AS (
    SELECT field
    FROM suspect
    WHERE tombstone(
            getvariable('inner_pad'), getvariable('outer_pad'),
            patient_uuid(getvariable('inner_pad'), getvariable('outer_pad'), getvariable('source_system'), field)
        ) IN (SELECT unnest($tombstones::VARCHAR[]))
)
SELECT record_number FROM row_owner WHERE is_forgotten
UNION
SELECT unowned.record_number FROM unowned SEMI JOIN theirs ON theirs.field = unowned.field
UNION
SELECT record_number FROM record WHERE {is_blank}
