-- The date of a FHIR dateTime in the source's own calendar, as much of it as is known: 2015, 2015-02, 2015-02-07.  Params: given
CREATE OR REPLACE TEMP MACRO fhir_day(given) AS left(given, 10)
