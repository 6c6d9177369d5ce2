-- The day of which an Observation holds: its instant, or the end of its period, or the start of one that has not ended.
-- Params: effective_at, effective_period, effective_instant (texts)
CREATE OR REPLACE TEMP MACRO fhir_effective_day(effective_at, effective_period, effective_instant) AS fhir_day(coalesce(
    effective_at, fhir_json(effective_period) ->> 'end', fhir_json(effective_period) ->> 'start', effective_instant
))