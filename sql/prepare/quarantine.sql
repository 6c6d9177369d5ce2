-- The faults of one file with the original text of their records.  Grain: record_number, table_name, rule.
-- Parts: originals, target (files).
COPY (
    SELECT
        fault.record_number,
        original.line,
        fault.table_name,
        fault.rule,
        fault.column_name,
        fault.action,
        fault.message,
        original.original
    FROM fault
    LEFT JOIN read_parquet({originals}) AS original ON original.record_number = fault.record_number
    ORDER BY fault.record_number, fault.table_name, fault.rule
) TO {target} (FORMAT parquet)
