-- The rows of one table out of view `raw`: mapped, typed, judged by all row rules in one pass, identified.
-- Grain: a row of the source's SELECT, which carries record_number through. Rows with is_refused are not for the warehouse.
-- Parts (from the table's contract and the source): select, trimmed, cleaned, typed, is_broken, broken, is_refused, warnings,
--   exported_at, kept, table, hashed, columns.
-- Variables of the session: source_system, record_key, today, exported_at.
WITH mapped AS (
    {select}
),
trimmed AS (
    SELECT
        record_number,
        {trimmed}
    FROM mapped
),
cleaned AS (
    SELECT
        record_number,
        {cleaned}
    FROM trimmed
),
typed AS (
    SELECT
        *,
        {typed}
    FROM cleaned
),
judged AS (
    SELECT
        *,
        CASE WHEN {is_broken} THEN list_filter([{broken}], rule -> rule IS NOT NULL) ELSE [] END AS broken
    FROM typed
),
kept AS (
    SELECT
        record_number,
        broken,
        {is_refused} AS is_refused,
        {warnings} AS warnings,
        source_record_id__text,
        source_patient_id__text,
        source_updated_at,
        coalesce(is_deleted, FALSE) AS is_deleted,
        {exported_at} AS exported_at,
        {kept}
    FROM judged
)
SELECT
    record_uuid(getvariable('record_key'), {table}, getvariable('source_system'), source_record_id__text) AS record_id,
    pseudonym.patient_id,
    getvariable('source_system') AS source_system,
    source_updated_at,
    exported_at,
    is_deleted,
    md5_number_lower({hashed}) AS row_hash,
    {columns},
    record_number,
    warnings,
    broken,
    is_refused
FROM kept
LEFT JOIN pseudonym ON pseudonym.source_patient_id = source_patient_id__text
