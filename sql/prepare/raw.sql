-- What the source's SELECTs see: the records that are in scope, of the form that makes them a record, and of nobody who was
-- forgotten.  Grain: record_number.  Parts: out_of_scope, malformed (conditions from the source's YAML), forgotten (a condition).
CREATE OR REPLACE TEMP VIEW raw AS
SELECT *
FROM record
WHERE NOT ({out_of_scope}) AND NOT ({malformed}) AND NOT ({forgotten})
