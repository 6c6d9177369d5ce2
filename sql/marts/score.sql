-- Scores that may be counted: what the patient answered, by our rule or, where only the source can score, by the source's.
-- Grain: patient_id, instrument_scale, assessed_on.  Inputs: marts.scored_assessment, marts.patient.
-- `series` is what may be compared: instrument, version, and who scored. Of two assessments of one day the newest version
-- counts. An assessment counts if all scales of its instrument can be scored: else the numbers of patients of two scales would
-- differ by a few, and give these away. Answers given by another person are kept out.
WITH scored AS (
    SELECT
        score.*,
        patient.ms_course,
        score.instrument_code || ' ' || score.instrument_version AS form,
        -- An instrument without rules of our own is always scored by the source: that needs no word.
        CASE WHEN score.scored_by = 'source' AND score.instrument_code IN (
            SELECT instrument_code FROM core.instrument_scale WHERE method <> 'source_only'
        ) THEN ' source' ELSE '' END AS scorer,
        bool_and(score.score IS NOT NULL) OVER (PARTITION BY score.record_id) AS is_whole
    FROM marts.scored_assessment AS score
    JOIN marts.patient AS patient ON patient.patient_id = score.patient_id
    JOIN marts.as_of AS as_of ON score.assessed_on <= as_of.as_of_on
    WHERE score.mode <> 'proxy'
)
SELECT
    patient_id,
    ms_course,
    instrument_code::VARCHAR AS instrument_code,
    (form || scorer)::VARCHAR AS series,
    scale::VARCHAR AS scale,
    (form || ' ' || scale || scorer)::VARCHAR AS instrument_scale,
    assessed_on,
    mode,
    score_numerator,
    score_denominator,
    score
FROM scored
WHERE score IS NOT NULL
    AND (is_whole OR scored_by = 'source')
QUALIFY row_number() OVER (
    PARTITION BY patient_id, form, scorer, scale, assessed_on
    ORDER BY source_updated_at DESC NULLS LAST, exported_at DESC NULLS LAST, row_hash DESC, record_id
) = 1
