-- The id of a record: first 16 bytes of SHA-256 over a key of the workspace's and the length-prefixed table, source and source id. One pass
-- is enough: what is cut off rules out extending the message.  Params: record_key (hex), table_name, source, id
CREATE OR REPLACE MACRO record_uuid(record_key, table_name, source, id) AS
    left(sha256(
        from_hex(record_key) || encode(length_prefixed(table_name) || length_prefixed(source) || length_prefixed(id))
    ), 32)::UUID
