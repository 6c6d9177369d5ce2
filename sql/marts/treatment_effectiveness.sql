-- How patients rate a treatment for a purpose, in five levels, with who rated it of those who have taken it.
-- Grain: source_family, treatment_code, purpose_code, rating_group.  Inputs: marts.treatment_rating.
-- `rated` is a share of `takers`, the five levels and `level_given` (not "can't tell") of `rated`, `major_or_moderate` of
-- `level_given`. Intervals: Wilson, 95 %.
WITH rating_group(rating_group, denominator_group, levels, position) AS (
    VALUES
        ('takers', 'takers', NULL, 1),
        ('rated', 'takers', ['major', 'moderate', 'slight', 'none', 'cant_tell'], 2),
        ('major', 'rated', ['major'], 3),
        ('moderate', 'rated', ['moderate'], 4),
        ('slight', 'rated', ['slight'], 5),
        ('none', 'rated', ['none'], 6),
        ('cant_tell', 'rated', ['cant_tell'], 7),
        ('level_given', 'rated', ['major', 'moderate', 'slight', 'none'], 8),
        ('major_or_moderate', 'level_given', ['major', 'moderate'], 9)
),
member AS (
    SELECT
        rating.source_family,
        rating.treatment_code,
        rating.purpose_code,
        rating_group.rating_group,
        rating_group.denominator_group,
        rating_group.position,
        rating.patient_id,
        rating_group.levels IS NULL OR coalesce(list_contains(rating_group.levels, rating.effectiveness), false) AS is_counted
    FROM marts.treatment_rating AS rating
    CROSS JOIN rating_group
),
counted AS (
    SELECT
        source_family,
        treatment_code,
        purpose_code,
        rating_group,
        denominator_group,
        position,
        count(*) FILTER (is_counted) AS patient_count,
        coalesce(bit_xor(patient_mark(patient_id)) FILTER (is_counted), 0) AS patient_set
    FROM member
    GROUP BY ALL
)
SELECT
    counted.source_family,
    counted.treatment_code,
    counted.purpose_code,
    counted.rating_group::VARCHAR AS rating_group,
    counted.denominator_group::VARCHAR AS denominator_group,
    counted.position::INTEGER AS position,
    counted.patient_count::BIGINT AS patient_count,
    denominator.patient_count::BIGINT AS denominator_count,
    (counted.patient_count / nullif(denominator.patient_count, 0))::DOUBLE AS share_ratio,
    wilson_low(counted.patient_count, denominator.patient_count)::DOUBLE AS low_ratio,
    wilson_high(counted.patient_count, denominator.patient_count)::DOUBLE AS high_ratio,
    counted.patient_set::UHUGEINT AS patient_set
FROM counted
JOIN counted AS denominator
    ON denominator.source_family = counted.source_family
    AND denominator.treatment_code = counted.treatment_code
    AND denominator.purpose_code = counted.purpose_code
    AND denominator.rating_group = counted.denominator_group
