-- The standard of our code lists that a FHIR code system is, or NULL.  Params: system
-- ICD-10 and its clinical modification share what the lists have of the former (G35).
CREATE OR REPLACE TEMP MACRO fhir_standard(system) AS
    CASE system
        WHEN 'http://snomed.info/sct' THEN 'snomed_ct'
        WHEN 'http://loinc.org' THEN 'loinc'
        WHEN 'http://www.nlm.nih.gov/research/umls/rxnorm' THEN 'rxnorm'
        WHEN 'http://hl7.org/fhir/sid/icd-10-cm' THEN 'icd_10_cm'
        WHEN 'http://hl7.org/fhir/sid/icd-10' THEN 'icd_10_cm'
        WHEN 'http://hl7.org/fhir/sid/icf' THEN 'icf'
    END
