-- Patients who have taken or done a treatment for any purpose, and how much detail the report goes into.
-- Grain: source_family, treatment_code.  Inputs: marts.treatment_rating.
-- `has_details`: at least 100 takers, so that use, time on treatment, side effects and the like are tables that say something;
-- `has_causes`: at least 300, so that stops are told apart by cause and day. Of fewer nearly every cell would be hidden.
-- `is_strategy_detailed`, `is_strategy_rated`: its strategy has 100, 300 takers; `is_use_covered`: every treatment of the strategy has details, so that their
-- users together are those of the strategy.
-- `known_count`, `strategy_known_count`: how many there are at least, as follows from what is told of a treatment or a strategy.
WITH taker AS (
    SELECT DISTINCT source_family, treatment_code, patient_id FROM marts.treatment_rating
),
counted AS (
    SELECT
        source_family,
        treatment_code,
        treatment_category(treatment_code) AS strategy,
        count(*) AS patient_count,
        bit_xor(patient_mark(patient_id)) AS patient_set
    FROM taker
    GROUP BY source_family, treatment_code
),
strategy AS (
    SELECT counted.source_family, counted.strategy, count(DISTINCT taker.patient_id) AS strategy_count
    FROM counted
    JOIN taker ON taker.source_family = counted.source_family AND taker.treatment_code = counted.treatment_code
    GROUP BY ALL
)
SELECT
    counted.source_family,
    counted.treatment_code,
    counted.strategy::VARCHAR AS strategy,
    counted.patient_count::BIGINT AS patient_count,
    counted.patient_set::UHUGEINT AS patient_set,
    (counted.patient_count >= 100)::BOOLEAN AS has_details,
    (counted.patient_count >= 300)::BOOLEAN AS has_causes,
    coalesce(strategy.strategy_count >= 100, false)::BOOLEAN AS is_strategy_detailed,
    coalesce(strategy.strategy_count >= 300, false)::BOOLEAN AS is_strategy_rated,
    (CASE WHEN has_causes AND counted.source_family = 'native' THEN 300 WHEN has_details THEN 100 ELSE 1 END)::BIGINT AS known_count,
    (CASE WHEN is_strategy_rated THEN 300 WHEN is_strategy_detailed THEN 100 ELSE 1 END)::BIGINT AS strategy_known_count,
    (
        is_strategy_detailed
        AND bool_and(counted.patient_count >= 100) OVER (PARTITION BY counted.source_family, counted.strategy)
    )::BOOLEAN AS is_use_covered
FROM counted
LEFT JOIN strategy ON strategy.source_family = counted.source_family AND strategy.strategy = counted.strategy
