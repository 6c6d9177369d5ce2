-- The patients on whom a comparison stands.
-- Grain: treatment_code, outcome_code, comparison_group.  Inputs: marts.trial_start, marts.trial_starter, marts.comparison.
-- started: first began the treatment within the 36 months. eligible: of these, the outcome is known in the month before. followed: of
-- these, known about three months later too. matched: of these, compared with a patient who did not start. still_taking: of
-- these, no stop known by the follow-up. controls: the patients they are compared with; started_later: of these, who began it
-- by the follow-up.
WITH comparison_group(comparison_group, position) AS (
    VALUES
        ('started', 1), ('eligible', 2), ('followed', 3), ('matched', 4), ('still_taking', 5), ('controls', 6), ('started_later', 7)
),
pair AS (
    SELECT treatment_code, outcome_code, unnest(pairs, recursive := true) FROM marts.comparison
),
compared AS (
    SELECT treatment_code, outcome_code, bool_or(is_control) AS is_control FROM marts.trial_starter GROUP BY ALL
),
started AS (
    SELECT start.treatment_code, start.patient_id
    FROM marts.trial_start AS start
    WHERE start.start_month > (SELECT max(12 * year(as_of_on) + month(as_of_on)) - 36 FROM marts.as_of)
),
member AS (
    SELECT compared.treatment_code, compared.outcome_code, 'started' AS comparison_group, started.patient_id
    FROM compared
    JOIN started ON started.treatment_code = compared.treatment_code
    UNION ALL
    SELECT treatment_code, outcome_code, 'eligible' AS comparison_group, patient_id FROM marts.trial_starter
    UNION ALL
    SELECT treatment_code, outcome_code, 'followed' AS comparison_group, patient_id FROM marts.trial_starter WHERE has_follow_up
    UNION ALL
    SELECT treatment_code, outcome_code, 'matched' AS comparison_group, starter_id::UUID FROM pair
    UNION ALL
    SELECT treatment_code, outcome_code, 'still_taking' AS comparison_group, starter_id::UUID FROM pair WHERE is_still_taking
    UNION
    SELECT treatment_code, outcome_code, 'controls' AS comparison_group, control_id::UUID FROM pair
    UNION
    SELECT treatment_code, outcome_code, 'started_later' AS comparison_group, control_id::UUID FROM pair WHERE has_crossed_over
)
SELECT
    compared.treatment_code,
    compared.outcome_code,
    compared.is_control,
    comparison_group.comparison_group::VARCHAR AS comparison_group,
    comparison_group.position::INTEGER AS position,
    count(member.patient_id)::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(member.patient_id)) FILTER (member.patient_id IS NOT NULL), 0)::UHUGEINT AS patient_set
FROM compared
CROSS JOIN comparison_group
LEFT JOIN member
    ON member.treatment_code = compared.treatment_code
    AND member.outcome_code = compared.outcome_code
    AND member.comparison_group = comparison_group.comparison_group
GROUP BY ALL
