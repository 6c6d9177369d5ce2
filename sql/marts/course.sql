-- Courses of MS as nrSPMS is compared with them: five that exclude one another, and those known not to be nrSPMS taken together.
-- Grain: course, course_group.  Inputs: none.
-- `course_group` is one of the five, `course` a row of a table: the group itself, or `other_courses`. `not_known` are those of no
-- stated course and those with SPMS of whose relapses nothing is known.
WITH course(course, position, course_group) AS (
    VALUES
        ('nrspms', 1, 'nrspms'), ('other_courses', 2, 'spms_relapsing'), ('other_courses', 2, 'primary'),
        ('other_courses', 2, 'relapsing'), ('spms_relapsing', 3, 'spms_relapsing'), ('primary', 4, 'primary'),
        ('relapsing', 5, 'relapsing'), ('not_known', 6, 'not_known')
)
SELECT
    course::VARCHAR AS course,
    position::INTEGER AS position,
    course_group::VARCHAR AS course_group
FROM course
