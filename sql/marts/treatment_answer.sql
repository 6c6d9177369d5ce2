-- What takers of a treatment say of side effects, adherence, burden and cost: the latest answer of each.
-- Grain: source_family, treatment_code, aspect, currency_code (NULL but for cost), answer.  Inputs: marts.treatment_experience.
-- `answered` are all who answered, a part of the takers; the answers are parts of these. `any` side effects are the three that are
-- not none. A currency has rows of its own: bands in different money are not the same.
WITH listed(aspect, answer, position) AS (
    VALUES
        ('side_effect_severity', 'answered', 1), ('side_effect_severity', 'none', 2), ('side_effect_severity', 'any', 3),
        ('side_effect_severity', 'mild', 4), ('side_effect_severity', 'moderate', 5), ('side_effect_severity', 'severe', 6),
        ('adherence', 'answered', 1), ('adherence', 'always', 2), ('adherence', 'usually', 3), ('adherence', 'sometimes', 4),
        ('adherence', 'never', 5),
        ('burden', 'answered', 1), ('burden', 'none', 2), ('burden', 'a_little', 3), ('burden', 'somewhat', 4), ('burden', 'very', 5),
        ('monthly_cost_band', 'answered', 1), ('monthly_cost_band', 'lt25', 2), ('monthly_cost_band', '25_49', 3),
        ('monthly_cost_band', '50_99', 4), ('monthly_cost_band', '100_199', 5), ('monthly_cost_band', 'ge200', 6)
),
member AS (
    SELECT
        experience.source_family,
        experience.treatment_code,
        experience.aspect,
        experience.currency_code,
        listed.answer,
        listed.position,
        experience.patient_id,
        CASE listed.answer
            WHEN 'answered' THEN true
            WHEN 'any' THEN experience.answer <> 'none'
            ELSE experience.answer = listed.answer
        END AS is_counted
    FROM marts.treatment_experience AS experience
    JOIN listed ON listed.aspect = experience.aspect
)
SELECT
    source_family,
    treatment_code,
    aspect,
    currency_code,
    answer::VARCHAR AS answer,
    position::INTEGER AS position,
    (count(*) FILTER (is_counted))::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_counted), 0)::UHUGEINT AS patient_set
FROM member
GROUP BY ALL
