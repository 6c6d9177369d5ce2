-- Cells of the topic "data quality": files, records and unknown codes. None of them is a count of patients; counts of records
-- are held back like those all the same, because the records of few are the records of few patients.
-- Rows of `patient` and `consent` are people: who refused would follow from their number and that of the consented. Neither rules
-- of these tables nor records of files that feed no other leave; operators find them in the marts.
-- Rules do not cover the quarantined: a record may have broken rules of a table that is left out alone.
-- Grain: table_id, value_1, value_2.  Inputs: marts.file_accounting, marts.rule_failure, marts.unmapped_token,
-- marts.score_mismatch.
WITH accounting AS (
    SELECT
        split_part(measure, '_', 1) AS unit,
        substr(measure, strpos(measure, '_') + 1) AS disposition,
        source_system,
        sum(CASE WHEN measure LIKE 'records%' AND is_of_people THEN 0 ELSE measured_count END)::BIGINT AS measured_count
    FROM marts.file_accounting
    GROUP BY ALL
),
disposed AS (
    SELECT
        'accounting_' || unit AS table_id,
        list_position(
            ['read', 'admitted', 'unchanged', 'duplicate', 'quarantined', 'out_of_scope', 'held', 'refused', 'unreadable', 'unbalanced'],
            disposition
        ) AS position,
        'source' AS dimension_1,
        source_system AS value_1,
        'disposition' AS dimension_2,
        disposition AS value_2,
        unit || '|source=' || source_system || '|disposition=' || disposition AS cell_key,
        CASE WHEN unit = 'records' AND disposition <> 'read' THEN 'records|source=' || source_system || '|disposition=read' END
            AS denominator_key,
        measured_count AS cell_count,
        CASE
            WHEN unit = 'records' AND disposition <> 'read'
                THEN [{'parent': 'records|source=' || source_system || '|disposition=read', 'division': 'disposition'}]
            ELSE []::STRUCT(parent VARCHAR, division VARCHAR)[]
        END AS part_of,
        unit,
        'file_accounting' AS mart
    FROM accounting
),
broken AS (
    SELECT * FROM marts.rule_failure WHERE table_name NOT IN ('patient', 'consent')
),
rule AS (
    SELECT
        'rule_failure' AS table_id,
        0 AS position,
        'table' AS dimension_1,
        table_name AS value_1,
        'rule' AS dimension_2,
        rule AS value_2,
        'records|table=' || table_name || '|rule=' || rule AS cell_key,
        'records|table=' || table_name || '|rule=' || rule || '|checked' AS denominator_key,
        failed_count AS cell_count,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        'records' AS unit,
        'rule_failure' AS mart
    FROM broken
),
checked AS (
    SELECT
        'rule_checked' AS table_id,
        0 AS position,
        'table' AS dimension_1,
        table_name AS value_1,
        'rule' AS dimension_2,
        rule AS value_2,
        'records|table=' || table_name || '|rule=' || rule || '|checked' AS cell_key,
        NULL AS denominator_key,
        checked_count AS cell_count,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        'records' AS unit,
        'rule_failure' AS mart
    FROM broken
),
unmapped AS (
    SELECT
        'unmapped_' || counted.unit AS table_id,
        0 AS position,
        'table' AS dimension_1,
        table_name AS value_1,
        'column' AS dimension_2,
        column_name AS value_2,
        counted.unit || '|unmapped|table=' || table_name || '|column=' || column_name AS cell_key,
        NULL AS denominator_key,
        CASE counted.unit WHEN 'codes' THEN token_count ELSE record_count END AS cell_count,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        counted.unit,
        'unmapped_token' AS mart
    FROM marts.unmapped_token
    CROSS JOIN (VALUES ('codes'), ('records')) AS counted(unit)
),
mismatched AS (
    SELECT
        compared.table_id,
        0 AS position,
        'instrument' AS dimension_1,
        instrument_code AS value_1,
        NULL AS dimension_2,
        NULL AS value_2,
        'records|score|instrument=' || instrument_code || compared.suffix AS cell_key,
        CASE WHEN compared.suffix <> '' THEN 'records|score|instrument=' || instrument_code END AS denominator_key,
        CASE WHEN compared.suffix <> '' THEN mismatch_count ELSE compared_count END AS cell_count,
        []::STRUCT(parent VARCHAR, division VARCHAR)[] AS part_of,
        'records' AS unit,
        'score_mismatch' AS mart
    FROM marts.score_mismatch
    CROSS JOIN (VALUES ('score_compared', ''), ('score_mismatch', '|mismatch')) AS compared(table_id, suffix)
),
cell AS (
    SELECT * FROM disposed
    UNION ALL BY NAME
    SELECT * FROM rule
    UNION ALL BY NAME
    SELECT * FROM checked
    UNION ALL BY NAME
    SELECT * FROM unmapped
    UNION ALL BY NAME
    SELECT * FROM mismatched
)
SELECT
    'data_quality' AS topic,
    table_id,
    position::DOUBLE AS position,
    dimension_1,
    value_1,
    dimension_2,
    value_2,
    cell_key,
    denominator_key,
    cell_count,
    NULL::UHUGEINT AS patient_set,
    part_of,
    NULL AS covers_key,
    unit,
    false AS has_interval,
    false AS is_expendable,
    mart
FROM cell
