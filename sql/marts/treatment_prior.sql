-- For each purpose, how its treatments are rated as a whole: the prior to which the share of each is shrunk.
-- Grain: source_family, purpose_code.  Inputs: marts.treatment_effectiveness.
-- Fitted to treatments of which nothing is too small to be shown, at most the 20 most rated: a prior fitted to a hidden one
-- would give it away, less the others. What is fitted stands in `needs`, so that a shrunk share is shown only with all of it.
-- `a` and `b` are those of the beta distribution of "major or moderate" of those who gave a level; `level_shares` the shares of
-- the five levels of those who rated, pooled over treatments of which all five are large enough (NULL if none is).
-- Parameter: minimum_cell (session variable, 11 without it).  Fit: see flows/stages/shrinkage.py.
WITH least AS (
    SELECT coalesce(getvariable('minimum_cell')::INTEGER, 11) AS minimum_cell
),
arm AS (
    SELECT
        source_family,
        purpose_code,
        treatment_code,
        any_value(patient_count) FILTER (rating_group = 'major_or_moderate') AS x,
        any_value(patient_count) FILTER (rating_group = 'level_given') AS n,
        any_value(patient_count) FILTER (rating_group = 'rated') AS rated,
        any_value(patient_count) FILTER (rating_group = 'takers') AS takers,
        any_value(patient_count) FILTER (rating_group = 'major') AS major,
        any_value(patient_count) FILTER (rating_group = 'moderate') AS moderate,
        any_value(patient_count) FILTER (rating_group = 'slight') AS slight,
        any_value(patient_count) FILTER (rating_group = 'none') AS no_effect,
        any_value(patient_count) FILTER (rating_group = 'cant_tell') AS cant_tell
    FROM marts.treatment_effectiveness
    GROUP BY ALL
),
fitted AS (
    SELECT arm.*, least(major, moderate, slight, no_effect, cant_tell) >= minimum_cell AS has_levels
    FROM arm
    CROSS JOIN least
    WHERE least(x, n - x) >= minimum_cell
        -- A few at one level hide another level as well, and in the end what the prior needs.
        AND len(
            list_filter(
                [major, moderate, slight, no_effect, cant_tell, takers - rated],
                lambda counted: counted BETWEEN 1 AND minimum_cell - 1
            )
        ) = 0
    QUALIFY row_number() OVER (PARTITION BY source_family, purpose_code ORDER BY n DESC, treatment_code) <= 20
),
pooled AS (
    SELECT
        source_family,
        purpose_code,
        beta_binomial_prior(list(x ORDER BY treatment_code), list(n ORDER BY treatment_code)) AS prior,
        list(treatment_code ORDER BY treatment_code) AS fitted_codes,
        list(treatment_code ORDER BY treatment_code) FILTER (has_levels) AS level_codes,
        [
            sum(major) FILTER (has_levels), sum(moderate) FILTER (has_levels), sum(slight) FILTER (has_levels),
            sum(no_effect) FILTER (has_levels), sum(cant_tell) FILTER (has_levels)
        ] AS level_counts,
        sum(rated) FILTER (has_levels) AS level_total
    FROM fitted
    GROUP BY ALL
)
SELECT
    source_family,
    purpose_code,
    prior.a::DOUBLE AS a,
    prior.b::DOUBLE AS b,
    prior.fit::VARCHAR AS fit,
    fitted_codes::VARCHAR[] AS fitted_codes,
    CASE WHEN level_total > 0 THEN list_transform(level_counts, lambda counted: counted / level_total) END::DOUBLE[] AS level_shares,
    level_codes::VARCHAR[] AS level_codes
FROM pooled
