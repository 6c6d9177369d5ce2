-- The strategies against weakness: medication, therapy, devices, exercise, diet, rest. Who uses any treatment of each, and rates it.
-- Grain: source_family, strategy, strategy_group.  Inputs: marts.treatment_status, marts.treatment_rating.
-- The category is the code list's, whatever the source files the treatment under. In use if any of its treatments is, else stopped if
-- any was. A patient's rating of a strategy is the latest of any of its treatments, for whatever purpose.
-- Parts: takers = current + stopped + unknown; rated = level_given + cant_tell.
WITH category AS (
    SELECT treatment_code, treatment_category(treatment_code) AS strategy
    FROM (SELECT DISTINCT treatment_code FROM marts.treatment_status)
),
used AS (
    SELECT
        status.patient_id,
        status.source_family,
        category.strategy,
        CASE min(CASE status.status WHEN 'current' THEN 1 WHEN 'stopped' THEN 2 ELSE 3 END)
            WHEN 1 THEN 'current'
            WHEN 2 THEN 'stopped'
            ELSE 'unknown'
        END AS status
    FROM marts.treatment_status AS status
    JOIN category ON category.treatment_code = status.treatment_code AND category.strategy IS NOT NULL
    GROUP BY ALL
),
rating AS (
    SELECT rating.patient_id, category.strategy, rating.effectiveness
    FROM marts.treatment_rating AS rating
    JOIN category ON category.treatment_code = rating.treatment_code
    WHERE rating.effectiveness IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY rating.patient_id, category.strategy
        ORDER BY rating.evaluated_on DESC NULLS LAST, rating.treatment_code, rating.purpose_code
    ) = 1
),
strategy_group(strategy_group, denominator_group, position) AS (
    VALUES
        ('takers', 'takers', 1), ('current', 'takers', 2), ('stopped', 'takers', 3), ('unknown', 'takers', 4), ('rated', 'takers', 5),
        ('cant_tell', 'rated', 6), ('level_given', 'rated', 7), ('major_or_moderate', 'level_given', 8)
),
member AS (
    SELECT
        used.source_family,
        used.strategy,
        used.patient_id,
        strategy_group.strategy_group,
        strategy_group.denominator_group,
        strategy_group.position,
        CASE strategy_group.strategy_group
            WHEN 'takers' THEN true
            WHEN 'rated' THEN rating.effectiveness IS NOT NULL
            WHEN 'cant_tell' THEN coalesce(rating.effectiveness = 'cant_tell', false)
            WHEN 'level_given' THEN coalesce(rating.effectiveness <> 'cant_tell', false)
            WHEN 'major_or_moderate' THEN coalesce(rating.effectiveness IN ('major', 'moderate'), false)
            ELSE used.status = strategy_group.strategy_group
        END AS is_counted
    FROM used
    LEFT JOIN rating ON rating.patient_id = used.patient_id AND rating.strategy = used.strategy
    CROSS JOIN strategy_group
)
SELECT
    source_family,
    strategy::VARCHAR AS strategy,
    strategy_group::VARCHAR AS strategy_group,
    denominator_group::VARCHAR AS denominator_group,
    position::INTEGER AS position,
    (count(*) FILTER (is_counted))::BIGINT AS patient_count,
    coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_counted), 0)::UHUGEINT AS patient_set
FROM member
GROUP BY ALL
