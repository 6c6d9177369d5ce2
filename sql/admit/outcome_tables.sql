-- Which records of a batch brought something new, which said what the warehouse has, which repeat one another.
-- Grain: place (may stand several times, once a table).
CREATE OR REPLACE TEMP TABLE admitted_place (place BIGINT NOT NULL);
CREATE OR REPLACE TEMP TABLE unchanged_place (place BIGINT NOT NULL);
CREATE OR REPLACE TEMP TABLE duplicate_place (place BIGINT NOT NULL)
