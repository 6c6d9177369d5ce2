-- The ids of one type of resource that a Bundle of a Bulk Data export says were deleted.  Params: type, kind, entry (texts)
CREATE OR REPLACE TEMP MACRO fhir_deleted(type, kind, entry) AS
    CASE
        WHEN type = 'Bundle'
            THEN list_filter(
                list_transform(
                    from_json(fhir_json(entry), '[{"request":{"method":"VARCHAR","url":"VARCHAR"}}]'),
                    lambda one: CASE
                        WHEN one.request.method = 'DELETE'
                            THEN nullif(regexp_extract(one.request.url, '^(?:.*/)?' || kind || '/([A-Za-z0-9.-]{1,64})$', 1), '')
                    END
                ),
                lambda id: id IS NOT NULL
            )
    END
