-- The cell key of those of a set of patients who have a course of MS as nrSPMS is compared with others (marts.course);
-- of `all` it is the key of the set.
-- Params: stem (key of the set), course
CREATE OR REPLACE MACRO course_key(stem, course) AS
    stem || CASE course
        WHEN 'all' THEN ''
        WHEN 'nrspms' THEN '|ms_course=spms|nrspms=yes'
        WHEN 'spms_relapsing' THEN '|ms_course=spms|nrspms=no'
        ELSE '|course=' || course
    END
