-- Files that this batch takes again, by the ids of all their earlier takes.  Grain: file_id.
CREATE OR REPLACE TEMP TABLE retaken (file_id INTEGER NOT NULL)
