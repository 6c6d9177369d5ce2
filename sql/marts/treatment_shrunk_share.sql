-- Shares of ratings drawn towards those of all treatments for the same purpose: a few good ratings rank no treatment first.
-- Grain: source_family, treatment_code, purpose_code, rating_group.  Inputs: marts.treatment_effectiveness, marts.treatment_prior.
-- `major_or_moderate` of those who gave a level: beta-binomial. The five levels of those who rated: Dirichlet, of the same weight
-- a + b; the limits of each are those of its beta distribution. Limits: 95 %; they take the prior as known, which it is not.
-- No row where there is no prior or nobody rated.
WITH level(rating_group, place) AS (
    VALUES ('major', 1), ('moderate', 2), ('slight', 3), ('none', 4), ('cant_tell', 5)
),
prior AS (
    SELECT
        rated.source_family,
        rated.treatment_code,
        rated.purpose_code,
        rated.rating_group,
        rated.patient_count AS x,
        rated.denominator_count AS n,
        CASE WHEN level.place IS NULL THEN prior.a ELSE (prior.a + prior.b) * prior.level_shares[level.place] END AS a,
        CASE WHEN level.place IS NULL THEN prior.b ELSE (prior.a + prior.b) * (1 - prior.level_shares[level.place]) END AS b,
        prior.fit,
        CASE WHEN level.place IS NULL THEN prior.fitted_codes ELSE prior.level_codes END AS fitted_codes
    FROM marts.treatment_effectiveness AS rated
    JOIN marts.treatment_prior AS prior
        ON prior.source_family = rated.source_family AND prior.purpose_code = rated.purpose_code
    LEFT JOIN level ON level.rating_group = rated.rating_group
    WHERE rated.rating_group = 'major_or_moderate' OR level.place IS NOT NULL
)
SELECT
    source_family,
    treatment_code,
    purpose_code,
    rating_group,
    shrunk_share(x, n, a, b)::DOUBLE AS shrunk_ratio,
    beta_quantile(0.025, x + a, n - x + b)::DOUBLE AS low_ratio,
    beta_quantile(0.975, x + a, n - x + b)::DOUBLE AS high_ratio,
    fit,
    fitted_codes
FROM prior
WHERE n > 0 AND a IS NOT NULL
