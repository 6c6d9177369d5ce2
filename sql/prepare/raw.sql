-- What the source's SELECTs see: the records that are in scope and of the form that makes them a record.
-- Grain: record_number.  Parts: out_of_scope, malformed (conditions from the source's YAML).
CREATE OR REPLACE TEMP VIEW raw AS
SELECT *
FROM record
WHERE NOT ({out_of_scope}) AND NOT ({malformed})
