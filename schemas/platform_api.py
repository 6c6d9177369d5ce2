"""The platform's own export API, described as OpenAPI 3.1 out of the contracts, so that an exporter can be written against it.

`python -m schemas.platform_api` writes the description to standard output; the repository keeps it as
`schemas/platform-api.openapi.json`, and the source `platform` pulls whoever serves it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from schemas.contract import MAX_TOKEN_LENGTH, TABLES, Column, Contract, contract, contracts, delivered_columns

# Pages of another version are refused; a new one is due when a reader of this one would misread them.
FORMAT_VERSION = "1"
MOST_RECORDS = 1000
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_PART_OF_A_DATE = r"^\d{4}(-\d{2}(-\d{2})?)?$"
_LIST_NOTE = "Several are separated by |, and a place left empty is a missing one."
_ABOUT = (
    "The record tables as paged JSON, one list a table. Each list is in the order of `source_updated_at`, then `source_record_id`. "
    "A record that changed comes again in its new version: the latest `source_updated_at` wins. A record that was deleted comes as a "
    "tombstone; absence never ends one. A reader that was here before asks with `updated_since` for what changed, some minutes "
    "overlapping: versions that it knows are recognised. Secrets go into the header Authorization only."
)


def document() -> dict[str, Any]:
    """The OpenAPI description as a JSON document."""
    schemas: dict[str, Any] = {"tombstone": _tombstone()}
    for agreed in contracts():
        schemas[agreed.table] = _record(agreed)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Patient outcomes export API", "version": FORMAT_VERSION, "description": _ABOUT},
        "servers": [{"url": "https://platform.example.org/v1"}],
        "security": [{"token": []}],
        "paths": {f"/{table}": {"get": _list(table)} for table in TABLES},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "parameters": _PARAMETERS,
            "responses": _REFUSALS,
            "schemas": schemas,
        },
    }


def text() -> str:
    """The description as the repository keeps it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


_PARAMETERS: dict[str, Any] = {
    "updated_since": {
        "name": "updated_since",
        "in": "query",
        "description": "Only versions whose `source_updated_at` is not earlier",
        "schema": {"type": "string", "format": "date-time"},
    },
    "cursor": {
        "name": "cursor",
        "in": "query",
        "description": "The `next_cursor` of the page before, with the other parameters as they were",
        "schema": {"type": "string"},
    },
    "limit": {
        "name": "limit",
        "in": "query",
        "description": "At most so many records a page; a server may give fewer",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS, "default": MOST_RECORDS},
    },
}
_LATER = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
_REFUSALS: dict[str, Any] = {
    "bad_request": {"description": "A parameter cannot be read, or the cursor is not of this list"},
    "unauthorized": {"description": "The token is missing or wrong"},
    "busy": {"description": "Ask again later", "headers": _LATER},
}


def _list(table: str) -> dict[str, Any]:
    page = {
        "type": "object",
        "required": ["format_version", "records", "next_cursor", "total"],
        "properties": {
            "format_version": {"const": FORMAT_VERSION},
            "records": {"type": "array", "items": {"anyOf": [_ref(table), _ref("tombstone")]}},
            "next_cursor": {"type": ["string", "null"], "description": "null on the last page"},
            "total": {"type": "integer", "minimum": 0, "description": "Different versions in all pages of this answer"},
        },
    }
    return {
        "operationId": f"list_{table}",
        "summary": contract(table).description,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS],
        "responses": {
            "200": {"description": "A page", "content": {"application/json": {"schema": page}}},
            **{
                code: {"$ref": f"#/components/responses/{name}"}
                for code, name in (("400", "bad_request"), ("401", "unauthorized"), ("429", "busy"), ("503", "busy"))
            },
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _record(agreed: Contract) -> dict[str, Any]:
    properties = {column.delivered_name: schema_of(column) for column in agreed.delivered_columns}
    properties["is_deleted"] = {"const": False, "description": "A tombstone has true"}
    required = [column.delivered_name for column in agreed.delivered_columns if column.is_required]
    return {
        "type": "object",
        "description": f"{agreed.description} Grain: {agreed.grain}. Contract {agreed.version}.",
        "required": [*required, "source_updated_at"],
        "properties": properties,
        "additionalProperties": False,
    }


def _tombstone() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Ends a record, whatever its table",
        "required": ["source_record_id", "source_patient_id", "source_updated_at", "is_deleted"],
        "properties": {c.delivered_name: schema_of(c) for c in delivered_columns()} | {"is_deleted": {"const": True}},
    }


def schema_of(column: Column) -> dict[str, Any]:
    """The JSON Schema of a column as a record gives it; what is not required may be null or left out."""
    description = f"{column.description} Unit: {column.unit}." if column.unit else column.description
    found = (
        {**_list_schema(column), "description": description} if column.is_list else _value_schema(column, description)
    )
    if column.is_required or column.name == "source_updated_at":
        return found
    if "enum" in found:
        found["enum"] = [*found["enum"], None]
    return {**found, "type": [found["type"], "null"]}


def _list_schema(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string", "$comment": _LIST_NOTE}
    if column.allowed:
        found["x-items"] = [allowed.value for allowed in column.allowed]
    if column.code_list:
        found |= {"x-code-list": column.code_list, "x-is-open": column.is_open}
    if column.item_type != "VARCHAR":
        found["pattern"] = r"^-?\d*(\|-?\d*)*$"
    return found


def _value_schema(column: Column, description: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string", "description": description}
    if column.allowed:
        found["enum"] = [allowed.value for allowed in column.allowed]
        found["type"] = "integer" if isinstance(column.allowed[0].value, int) else "string"
        return found
    if column.code_list:
        found |= {"x-code-list": column.code_list, "x-is-open": column.is_open}
        return found | ({"maxLength": MAX_TOKEN_LENGTH} if column.is_open else {})
    match column.sql_type:
        case "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT":
            found["type"] = "integer"
        case "DOUBLE":
            found["type"] = "number"
        case "BOOLEAN":
            found["type"] = "boolean"
        case "DATE":
            found["pattern"] = _PART_OF_A_DATE if column.has_precision else _DAY
            return found
        case "TIMESTAMPTZ":
            return found | {"format": "date-time"}
    for name, value in (("minimum", column.minimum), ("maximum", column.maximum), ("maxLength", column.max_length)):
        if value is not None:
            found[name] = value
    if column.pattern:
        found["pattern"] = f"^(?:{column.pattern})$"
    return found


if __name__ == "__main__":
    sys.stdout.write(text())
