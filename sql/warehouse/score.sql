-- Every assessment scored by our own rule, one row a scale of its instrument, and compared with the score the source gives.
-- Grain: record_id, scale.  Inputs: core.outcome_assessment, core.instrument_scale.
-- A score is a fraction (score_numerator / score_denominator, in lowest terms): changes are compared with thresholds exactly.
-- An item left out takes the mean place of the others within their ranges, if enough are answered. `scored_by` is 'source'
-- where only the source could score: no items were delivered, or none can give this score. `score_status`: complete, prorated
-- (items filled in), not_scorable (version unknown or left open, a wrong number of answers, one out of range, too many left
-- out). `is_mismatch`: own and source's score of the scale that the source means differ by more than 0.5; a flag, never a
-- reason to refuse.
CREATE OR REPLACE VIEW core.score AS
WITH known AS (
    SELECT instrument_code, count(DISTINCT instrument_version) AS version_count, min(instrument_version) AS some_version
    FROM core.instrument_scale
    GROUP BY ALL
),
listed AS (
    SELECT DISTINCT instrument_code, scale FROM core.instrument_scale
),
assessment AS (
    SELECT
        given.* EXCLUDE (instrument_version),
        lower(trim(given.instrument_version)) AS stated_version,
        -- Without a name it is the only version; among several that leaves open which one was answered.
        CASE
            WHEN known.version_count = 0 THEN NULL
            WHEN given.instrument_version IS NULL AND known.version_count = 1 THEN known.some_version
            ELSE lower(trim(given.instrument_version))
        END AS version_key,
        coalesce(list_count(given.item_responses), 0) > 0 AS has_answers
    FROM core.outcome_assessment AS given
    JOIN known ON known.instrument_code = given.instrument_code
),
ruled AS (
    SELECT
        assessment.*,
        listed.scale,
        rule.* EXCLUDE (instrument_code, instrument_version, scale),
        rule.is_source_scale
            AND assessment.source_score IS NOT NULL
            AND (rule.method = 'source_only' OR NOT assessment.has_answers) AS is_scored_by_source,
        CASE
            WHEN len(assessment.item_responses) <> rule.answer_count THEN NULL
            -- Where all items have one range, as most have, its ends decide, which takes a fraction of the time.
            WHEN rule.has_one_range
                THEN CASE
                    WHEN list_min(assessment.item_responses) >= rule.lowest_answers[1]
                        AND list_max(assessment.item_responses) <= rule.highest_answers[1]
                        THEN list_select(assessment.item_responses, rule.items)
                END
            WHEN len(list_filter(
                assessment.item_responses,
                lambda x, i: x < rule.lowest_answers[i] OR x > rule.highest_answers[i]
            )) = 0
                THEN list_select(assessment.item_responses, rule.items)
        END AS answers
    FROM assessment
    JOIN listed ON listed.instrument_code = assessment.instrument_code
    LEFT JOIN core.instrument_scale AS rule
        ON rule.instrument_code = listed.instrument_code
        AND rule.scale = listed.scale
        AND rule.instrument_version IS NOT DISTINCT FROM assessment.version_key
),
answered AS (
    SELECT
        *,
        list_count(answers) AS answered_count,
        list_sum(answers)::BIGINT AS answered_sum,
        -- TRY: a source's score may be no finite number.
        CASE WHEN is_scored_by_source THEN TRY_CAST(round(source_score * source_denominator) AS BIGINT) END AS source_numerator
    FROM ruled
),
-- The sum of all items as a fraction, those left out at the mean place of the others: over common_span * answered_count.
totalled AS (
    SELECT
        *,
        answered_count < len(items) AS is_prorated,
        CASE
            WHEN method IN ('source_only', 'sum_of_scales') OR answered_count < needed_count THEN NULL
            WHEN answered_count = len(items) THEN answered_sum
            ELSE
                (answered_sum + list_sum(list_filter(item_lows, lambda x, i: answers[i] IS NULL))) * common_span * answered_count
                + list_sum(list_transform(answers, lambda x, i: (x - item_lows[i]) * item_weights[i]))
                * list_sum(list_filter(item_spans, lambda x, i: answers[i] IS NULL))
        END::BIGINT AS total_numerator,
        CASE WHEN answered_count = len(items) THEN 1 ELSE common_span * answered_count END::BIGINT AS total_denominator
    FROM answered
),
scored AS (
    SELECT
        *,
        CASE
            WHEN is_scored_by_source THEN source_numerator
            WHEN method = 'sum_scaled' THEN (total_numerator - least_sum * total_denominator) * 100
            ELSE total_numerator
        END AS numerator,
        CASE
            WHEN is_scored_by_source THEN source_denominator
            WHEN method = 'sum_scaled' THEN total_denominator * (greatest_sum - least_sum)
            WHEN method = 'mean' THEN total_denominator * len(items)
            ELSE total_denominator
        END AS denominator
    FROM totalled
),
-- Scales that are the sum of others, scorable if all of these are.
gathered AS (
    SELECT
        whole.record_id,
        whole.scale,
        list(part.numerator) AS numerators,
        list(part.denominator) AS denominators,
        bool_or(part.is_prorated) AS is_prorated,
        count(part.numerator) = len(any_value(whole.parts)) AS is_whole
    FROM scored AS whole
    JOIN scored AS part ON part.record_id = whole.record_id AND list_contains(whole.parts, part.scale)
    WHERE whole.method = 'sum_of_scales'
        AND NOT whole.is_scored_by_source
    GROUP BY whole.record_id, whole.scale
),
common AS (
    SELECT *, list_reduce(denominators, lambda x, y: lcm(x, y)) AS denominator FROM gathered
),
added AS (
    SELECT *, list_sum(list_transform(numerators, lambda x, i: x * (denominator // denominators[i])))::BIGINT AS numerator
    FROM common
),
valued AS (
    SELECT
        scored.* EXCLUDE (numerator, denominator, is_prorated),
        CASE WHEN scored.is_scored_by_source THEN false ELSE coalesce(added.is_prorated, scored.is_prorated, false) END AS is_prorated,
        CASE WHEN added.is_whole THEN added.numerator WHEN added.record_id IS NULL THEN scored.numerator END AS numerator,
        CASE WHEN added.is_whole THEN added.denominator WHEN added.record_id IS NULL THEN scored.denominator END AS denominator
    FROM scored
    LEFT JOIN added ON added.record_id = scored.record_id AND added.scale = scored.scale
),
bounded AS (
    SELECT
        *,
        -- A rule of ours cannot leave the range; a source's score can.
        numerator::HUGEINT * minimum_denominator >= minimum_numerator::HUGEINT * denominator
            AND numerator::HUGEINT * maximum_denominator <= maximum_numerator::HUGEINT * denominator AS is_within,
        greatest(gcd(abs(numerator), denominator), 1) AS divisor
    FROM valued
)
SELECT
    record_id,
    patient_id,
    source_system,
    instrument_code,
    coalesce(version_key, stated_version, 'unstated')::VARCHAR AS instrument_version,
    scale::VARCHAR AS scale,
    assessed_on,
    mode,
    CASE WHEN is_within THEN numerator // divisor END::BIGINT AS score_numerator,
    CASE WHEN is_within THEN denominator // divisor END::BIGINT AS score_denominator,
    CASE WHEN is_within THEN numerator / denominator END::DOUBLE AS score,
    CASE
        WHEN is_within IS DISTINCT FROM true THEN 'not_scorable'
        WHEN is_prorated THEN 'prorated'
        ELSE 'complete'
    END::VARCHAR AS score_status,
    CASE WHEN is_scored_by_source THEN 'source' WHEN is_within THEN 'pipeline' END::VARCHAR AS scored_by,
    rule_version,
    source_score,
    CASE
        WHEN is_source_scale AND is_within AND NOT is_scored_by_source AND isfinite(source_score)
            THEN abs(numerator / denominator - source_score) > 0.5
    END::BOOLEAN AS is_mismatch,
    source_updated_at,
    exported_at,
    row_hash
FROM bounded
