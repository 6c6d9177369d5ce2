-- A text with its length in bytes before it, so that texts put together cannot be mistaken for others.  Params: given
CREATE OR REPLACE MACRO length_prefixed(given) AS strlen(given) || ':' || given
