-- Of the patients who reported on an activity of daily life in the window: the help they use for it.
-- Grain: activity_code, help.  Inputs: marts.activity_status.
WITH help(help, position) AS (
    VALUES ('none', 1), ('device', 2), ('person', 3), ('both', 4), ('unknown', 5)
)
SELECT
    status.activity_code,
    help.help::VARCHAR AS help,
    help.position::INTEGER AS position,
    (count(*) FILTER (status.help = help.help))::BIGINT AS patient_count,
    count(*)::BIGINT AS denominator_count,
    coalesce(bit_xor(patient_mark(status.patient_id)) FILTER (status.help = help.help), 0)::UHUGEINT AS patient_set
FROM marts.activity_status AS status
CROSS JOIN help
GROUP BY ALL
