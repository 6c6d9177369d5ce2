-- The records of these types that Bundles of a Bulk Data export say were deleted, each as what ends it.
-- Grain: record_number, resource.  Params: records (name of the view), kinds (list of resource types)
CREATE OR REPLACE TEMP MACRO fhir_deletions(records, kinds) AS TABLE
SELECT
    record.record_number,
    resource.kind || '/' || unnest(fhir_deleted(record.type, resource.kind, record.entry)) AS source_record_id,
    coalesce(fhir_json(record.meta) ->> 'lastUpdated', record.timestamp, getvariable('exported_at')::VARCHAR) AS source_updated_at,
    TRUE AS is_deleted
FROM query_table(records) AS record
CROSS JOIN (SELECT unnest(kinds) AS kind) AS resource