"""A REDCap project's data dictionary: what the columns of its export hold. Read from the file that REDCap gives, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What reading depends on, by its name in the metadata of the API and in the file that people download.
_PARTS = {
    "field_name": "variable / field name",
    "form_name": "form name",
    "field_type": "field type",
    "select_choices_or_calculations": "choices, calculations, or slider labels",
    "text_validation_type_or_show_slider_number": "text validation type or show slider number",
}
_FIXED = {"yesno": (("1", "Yes"), ("0", "No")), "truefalse": (("1", "True"), ("0", "False"))}
_CHOSEN = frozenset({"radio", "dropdown", "checkbox"})
EVENT, INSTRUMENT, INSTANCE = "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
GROUP, SURVEY = "redcap_data_access_group", "redcap_survey_identifier"
# What is made of a record beside its own columns: a key, and the instruments that hold anything in it.
KEY, FILLED = "redcap_key", "redcap_filled"


class DictionaryError(ValueError):
    """A data dictionary cannot be read; the message says why."""


@dataclass(frozen=True)
class RedcapField:
    """A field of a project: `choices` are code and label, `validation` the type that REDCap checked a text by."""

    name: str
    form: str
    kind: str
    choices: tuple[tuple[str, str], ...]
    validation: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in an export: one, none, or one for each choice that can be ticked."""
        if self.kind == "descriptive":
            return ()
        if self.kind == "checkbox":
            return tuple(f"{self.name}___{_suffix(code)}" for code, _ in self.choices)
        return (self.name,)


@dataclass(frozen=True)
class Dictionary:
    """The fields of a project in their order; the first one holds the record's id."""

    fields: tuple[RedcapField, ...]

    @property
    def record_id(self) -> str:
        return self.fields[0].name

    @property
    def forms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(field.form for field in self.fields))

    @property
    def field_columns(self) -> tuple[str, ...]:
        """The columns that hold answers, as every full export has them."""
        return tuple(column for field in self.fields for column in field.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that an export may have."""
        ours = [f"{form}_{what}" for form in self.forms for what in ("timestamp", "complete")]
        return tuple(dict.fromkeys([*self.field_columns, EVENT, INSTRUMENT, INSTANCE, GROUP, SURVEY, *ours]))

    def differences(self, other: Dictionary) -> list[str]:
        """The fields that the two do not have alike, by name; empty if both read alike."""
        mine, theirs = ({field.name: field for field in found.fields} for found in (self, other))
        names = dict.fromkeys([*mine, *theirs])
        found = [name for name in names if mine.get(name) != theirs.get(name)]
        if not found and self.record_id != other.record_id:
            found = [self.record_id, other.record_id]
        return found


def read_dictionary(text: str) -> Dictionary:
    """The dictionary in a file's text: a JSON export of the metadata, or CSV with either set of names. Raises DictionaryError."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] not in ("[", "{"):
        return dictionary_of(_csv_rows(text))
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        raise DictionaryError("is no JSON") from None
    return dictionary_of(rows)


def dictionary_of(rows: Any) -> Dictionary:
    """The dictionary that a project's metadata says, row by row. Raises DictionaryError."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DictionaryError("is no list of fields")
    fields = tuple(map(_field, rows))
    if not fields:
        raise DictionaryError("has no fields")
    names = [field.name for field in fields]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DictionaryError(f"has fields twice: {', '.join(twice)}")
    return Dictionary(fields)


def _csv_rows(text: str) -> list[dict[str, str]]:
    for delimiter in ",;\t":
        header, *rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row] or [[]]
        names = [_api_name(name) for name in header]
        if set(_PARTS) <= set(names):
            # R writes NA where nothing stands.
            return [
                {name: "" if value == "NA" else value for name, value in zip(names, row, strict=False)} for row in rows
            ]
    raise DictionaryError(f"lacks columns of a data dictionary: {', '.join(_PARTS)}")


def _api_name(name: str) -> str:
    folded = " ".join(name.split()).casefold()
    return next((api for api, human in _PARTS.items() if folded in (api, human)), folded)


def _field(row: Mapping[str, Any]) -> RedcapField:
    said = {name: str(row.get(name) or "").strip() for name in _PARTS}
    name, kind = said["field_name"], said["field_type"].lower()
    if not re.fullmatch(r"[A-Za-z]\w*", name) or not kind:
        raise DictionaryError("has a row without a field's name or type")
    choices: tuple[tuple[str, str], ...] = _FIXED.get(kind, ())
    if kind in _CHOSEN:
        choices = _choices(said["select_choices_or_calculations"])
    validation = said["text_validation_type_or_show_slider_number"].lower() if kind == "text" else ""
    return RedcapField(name, said["form_name"], "dropdown" if kind == "select" else kind, choices, validation)


def _choices(text: str) -> tuple[tuple[str, str], ...]:
    """Code and label of each choice, as in `0, Female | 1, Male`."""
    found = []
    for choice in re.split(r"\||\n", text):
        code, comma, label = choice.partition(",")
        if code.strip():
            found.append((code.strip(), label.strip() if comma else code.strip()))
    return tuple(found)


def _suffix(code: str) -> str:
    """A choice's code as it stands in the name of its column."""
    return re.sub(r"[^a-z0-9_]", "_", code.lower())


def with_columns(dictionary: Dictionary, said: Iterable[Any]) -> list[Any]:
    """The columns of a source: what its YAML says of some, and all others that the dictionary has."""
    said = list(said)
    named = {str(column.get("name", "")).casefold() for column in said if isinstance(column, dict)}
    record_id = dictionary.record_id
    own = [{"name": name, "required": name == record_id} for name in dictionary.columns if name.casefold() not in named]
    return [*said, *own]
