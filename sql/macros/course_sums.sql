-- The sums that the patients of a course are a part of, as part_of of a cell: everyone by course, and all courses known not to be
-- nrSPMS. Must say the same as marts.course (a test holds them together).  Params: stem (key of everyone), course
CREATE OR REPLACE MACRO course_sums(stem, course) AS
    CASE course
        WHEN 'all' THEN []
        WHEN 'other_courses' THEN []
        WHEN 'nrspms' THEN [{'parent': stem, 'division': 'course'}]
        WHEN 'not_known' THEN [{'parent': stem, 'division': 'course'}]
        ELSE [{'parent': stem, 'division': 'course'}, {'parent': course_key(stem, 'other_courses'), 'division': 'course'}]
    END
