-- Codes that open code lists do not know: how many different ones, and in how many records. Never the codes themselves.
-- Grain: table_name, column_name.  Inputs: core.consented_<table> of every table with an open code list.
WITH listed(table_name, column_name) AS (
    VALUES
        ('symptom_report', 'symptom_code'), ('activity_limitation', 'activity_code'), ('treatment_episode', 'treatment_code'),
        ('treatment_episode', 'purpose_codes'), ('treatment_evaluation', 'purpose_code'),
        ('treatment_evaluation', 'side_effect_codes'), ('outcome_assessment', 'instrument_code')
),
token AS (
    SELECT 'symptom_report' AS table_name, 'symptom_code' AS column_name, record_id, symptom_code AS token
    FROM core.consented_symptom_report
    UNION ALL
    SELECT 'activity_limitation' AS table_name, 'activity_code' AS column_name, record_id, activity_code AS token
    FROM core.consented_activity_limitation
    UNION ALL
    SELECT 'treatment_episode' AS table_name, 'treatment_code' AS column_name, record_id, treatment_code AS token
    FROM core.consented_treatment_episode
    UNION ALL
    SELECT 'treatment_episode' AS table_name, 'purpose_codes' AS column_name, record_id, unnest(purpose_codes) AS token
    FROM core.consented_treatment_episode
    UNION ALL
    SELECT 'treatment_evaluation' AS table_name, 'purpose_code' AS column_name, record_id, purpose_code AS token
    FROM core.consented_treatment_evaluation
    UNION ALL
    SELECT 'treatment_evaluation' AS table_name, 'side_effect_codes' AS column_name, record_id, unnest(side_effect_codes) AS token
    FROM core.consented_treatment_evaluation
    UNION ALL
    SELECT 'outcome_assessment' AS table_name, 'instrument_code' AS column_name, record_id, instrument_code AS token
    FROM core.consented_outcome_assessment
),
unmapped AS (
    SELECT table_name, column_name, record_id, token FROM token WHERE contains(token, ':')
)
SELECT
    listed.table_name::VARCHAR AS table_name,
    listed.column_name::VARCHAR AS column_name,
    count(DISTINCT unmapped.token)::BIGINT AS token_count,
    count(DISTINCT unmapped.record_id)::BIGINT AS record_count
FROM listed
LEFT JOIN unmapped ON unmapped.table_name = listed.table_name AND unmapped.column_name = listed.column_name
GROUP BY ALL
