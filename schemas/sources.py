"""A source: one kind of export, described by one YAML file. No source has Python of its own."""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.apis import Api, BulkApi
from schemas.contract import TABLES
from schemas.faults import told
from schemas.reading_yaml import read_yaml
from schemas.redcap import FILLED, KEY, Dictionary, DictionaryError, read_dictionary, with_columns


class SourceError(ValueError):
    """A source's YAML cannot be read; the message names the file and what to change."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FilePattern(_Part):
    """Which files of the source feed which tables."""

    match: str = Field(description="Pattern of the file's name, as in a shell")
    feeds: tuple[str, ...] = Field(min_length=1)
    format: Literal["csv", "json", "ndjson"] | None = Field(default=None, description="Instead of the source's own")
    records: str | None = Field(default=None, description="Instead of the source's own, beside `format`")

    @model_validator(mode="after")
    def _tables_exist(self) -> FilePattern:
        if unknown := [table for table in self.feeds if table not in TABLES]:
            raise ValueError(f"feeds unknown tables {unknown}; there are: {', '.join(TABLES)}")
        if self.records is not None and self.format is None:
            raise ValueError("a pattern of `files` says `records` beside a `format` only")
        return self


class SourceColumn(_Part):
    """A column of the file: found by name (blanks and case do not matter) or, where it has none, by position from 1."""

    name: str | None = None
    position: int | None = Field(default=None, ge=1)
    rename: str | None = Field(default=None, alias="as", description="Its name in the view `raw`")
    required: bool = False
    ignore: bool = False
    pattern: str | None = Field(default=None, description="A record whose value does not match in full is refused")

    @model_validator(mode="after")
    def _is_found_one_way(self) -> SourceColumn:
        if (self.name is None) == (self.position is None):
            raise ValueError("a column is found either by `name` or by `position`")
        return self

    @property
    def raw_name(self) -> str:
        return self.rename or self.name or f"column_{self.position}"


class PatientIs(_Part):
    """Where the patient of a record stands: in a column the SELECT yields, the same for all, or a new one each record."""

    column: str | None = None
    constant: str | None = None
    per_record: bool = False


class ExportedAt(_Part):
    """Where the source states when it was exported: a column, the file's name by a pattern with one group, or a header of the
    response that an API gave; that one then stands in the name that the response lands under.

    Never a file's time or a clock. With none of them, it is unknown.
    """

    column: str | None = None
    file_name: str | None = None
    response: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")


class ConsentBasis(_Part):
    """Stands for a grant of `aggregate_release` by every patient of the source; printed in every report."""

    basis: str


# How a landed response is named: what it is, when its API says it was exported (if it does), a mark of its bytes.
_PULLED = re.compile(r"-(\d{4}-\d{2}-\d{2}T\d{6}(?:\.\d+)?Z)-[0-9a-f]{16}\.(?:nd)?json$")


def _tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Source(_Part):
    """One kind of export."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Also the name of its folders")
    extends: str | None = Field(
        default=None,
        description="A bundled source: what this YAML does not say, and SELECTs it has not, are that one's",
    )
    description: str
    files: tuple[FilePattern, ...]
    format: Literal["csv", "json", "ndjson"] = "csv"
    records: str | None = Field(
        default=None, description="Where the objects stand that are records, as in $.entry[*].resource; JSON only"
    )
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    time_zone: str = "UTC"
    date_formats: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ()
    time_formats: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ()
    missing_tokens: tuple[str, ...] = ()
    columns: tuple[SourceColumn, ...] = ()
    patient: PatientIs = PatientIs(column="source_patient_id")
    exported_at: ExportedAt = ExportedAt()
    consent: ConsentBasis | None = None
    rhythm: str | None = Field(
        default=None, pattern=r"^[1-9]\d{0,3} (hour|day|week)s?$", description="How often it delivers, as in `7 days`"
    )
    tolerance: float | None = Field(default=None, ge=0, le=1)
    not_mapped: dict[str, tuple[str, ...]] = {}
    snapshot: Literal["full", "partial"] = "partial"
    dictionary: str | None = Field(
        default=None,
        pattern=r"^[\w-]+(\.[\w-]+)*$",
        description="File with the data dictionary of a REDCap project, beside the SELECTs: it says what the columns are",
    )
    explained: Dictionary | None = Field(default=None, exclude=True, description="What stands in that file")
    api: Api | None = Field(default=None, description="Where it is pulled from, if nobody delivers it")
    folder: Path | None = Field(
        default=None, exclude=True, description="The workspace's `sources/`, if it stands there"
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> Source:
        for what, sign in (("delimiter", self.delimiter), ("quote", self.quote)):
            if len(sign) != 1 or not sign.isascii():
                raise ValueError(f"the {what} must be one ASCII character")
        try:
            codecs.lookup(self.encoding)
            ZoneInfo(self.time_zone)
        except LookupError as error:  # ZoneInfoNotFoundError is one too
            raise ValueError(f"unknown encoding '{self.encoding}' or time zone '{self.time_zone}'") from error
        for pattern in filter(None, (self.exported_at.file_name, *(column.pattern for column in self.columns))):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
        if self.exported_at.file_name and re.compile(self.exported_at.file_name).groups != 1:
            raise ValueError("the pattern `exported_at.file_name` must have one group, which is the time")
        parts: list[Source | FilePattern] = [self, *(pattern for pattern in self.files if pattern.format)]
        for part in parts:
            self._json_can_be_read(part.format, part.records)
        self._dictionary_can_be_used()
        self._api_can_be_pulled()
        names = [column.raw_name.casefold() for column in self.columns if not column.ignore]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"columns {twice} have a name in `raw` twice")
        if reserved := {"record_number", "file_row_number", "unknown_members"} & set(names):
            raise ValueError(f"{sorted(reserved)} are names of our own: choose others")
        known = {name for column in self.columns if not column.ignore for name in (column.name, column.rename)}
        if self.explained is not None:
            known |= {KEY, FILLED}
        if unknown := sorted(set(self.not_mapped) - known):
            raise ValueError(f"`not_mapped` names columns that are not listed in `columns`: {', '.join(unknown)}")
        return self

    def _dictionary_can_be_used(self) -> None:
        if (self.dictionary is None) != (self.explained is None):
            raise ValueError("a `dictionary` is a file in a folder of the source's name, beside its SELECTs")
        if self.explained is None:
            if self.api is not None and self.api.kind == "redcap":
                raise ValueError("a REDCap project is read by its `dictionary`: name the file")
        elif self.decimal != ".":
            raise ValueError("the dictionary says which fields have a decimal comma: leave `decimal` out")

    def _json_can_be_read(self, form: str | None, records: str | None) -> None:
        if form == "csv":
            if records is not None:
                raise ValueError("`records` is for JSON: in CSV every line behind the header is one")
            return
        if any(column.name is None for column in self.columns):
            raise ValueError("a member of a JSON object is found by `name`: it has no `position`")
        if not re.fullmatch(r"\$(\.[\w-]+)*(\[\*\])?(\.[\w-]+)*", records or "$"):
            raise ValueError(
                f"`records` is no path that is known, as are $, $[*], $.data[*], $.entry[*].resource: {records}"
            )
        if form == "ndjson" and "[*]" in (records or ""):
            raise ValueError("in NDJSON every line is a record: `records` takes no [*]")

    def _api_can_be_pulled(self) -> None:
        if self.api is None:
            if self.exported_at.response:
                raise ValueError("`exported_at.response` is for a source with `api`")
            return
        if self.format == "csv":
            raise ValueError("an `api` gives JSON: say `format: json` or `format: ndjson`")
        if self.api.kind == "redcap":
            if self.format != "json" or self.records not in (None, "$[*]"):
                raise ValueError(
                    "a REDCap `api` gives one list of records: say `format: json`, and nothing or $[*] as `records`"
                )
        elif self.format == "ndjson" and self.api.members_of_body():
            raise ValueError("in NDJSON every line is a record: what else is read of a response stands in a `header`")
        if isinstance(self.api, BulkApi) and (self.format != "ndjson" or self.records):
            raise ValueError("the files of a Bulk Data export are NDJSON: say `format: ndjson`, and no `records`")
        for name, where in self.api.lists.items():
            if self.pattern_for(self.pulled_name(name, None, "0" * 64)) is None:
                raise ValueError(
                    f"`files` takes no file whose name begins with {name}, as those of {where} do: name {name}-*.{self.format} there"
                )

    def pulled_name(self, what: str, exported_at: datetime | None, digest: str) -> str:
        """The name that a response lands under. The same bytes of the same export have the same name."""
        stated = exported_at.astimezone(UTC).strftime("%Y-%m-%dT%H%M%S") if exported_at else ""
        if exported_at and exported_at.microsecond:
            stated += f".{exported_at.microsecond:06}"
        return f"{what}-{stated}{'Z-' * bool(stated)}{digest[:16]}.{self.format}"

    @property
    def record_path(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The steps from a document to each of its records, `[*]` for the elements of an array; the names from there to its object."""
        if self.format == "ndjson":
            return (), tuple((self.records or "$").split(".")[1:])
        outer, has_array, inner = (self.records or "$[*]").partition("[*]")
        steps = tuple(outer.split(".")[1:])
        return (*steps, "[*]") if has_array else steps, tuple(inner.split(".")[1:])

    @property
    def rhythm_hours(self) -> int | None:
        """The hours between two deliveries, at most; None if the source promises nothing."""
        if self.rhythm is None:
            return None
        number, unit = self.rhythm.removesuffix("s").split()
        return int(number) * {"hour": 1, "day": 24, "week": 168}[unit]

    def pattern_for(self, file_name: str) -> FilePattern | None:
        """The first pattern that the file's name matches, or None: then the file is not one of this source.

        What packing added to the name is no part of it.
        """
        from fnmatch import fnmatchcase

        name = file_name.lower().removesuffix(".gz").removesuffix(".zst")
        return next((p for p in self.files if fnmatchcase(name, p.match.lower())), None)

    def for_file(self, file_name: str) -> Source:
        """The source as it reads a file of this name: with the format of its pattern, if that has one of its own."""
        pattern = self.pattern_for(file_name)
        if pattern is None or pattern.format is None:
            return self
        return self.model_copy(update={"format": pattern.format, "records": pattern.records})

    def tables_of(self, file_name: str) -> tuple[str, ...]:
        """The tables that a file of this name feeds; none if it is not of this source."""
        pattern = self.pattern_for(file_name)
        return pattern.feeds if pattern else ()

    def name_says(self, file_name: str) -> str:
        """What the file's name decides beside its bytes: the tables it feeds, its format, when it was exported; empty if nothing."""
        feeds = "+".join(self.tables_of(file_name)) if len(self.files) > 1 else ""
        pattern = self.pattern_for(file_name)
        form = (pattern.format, pattern.records) if pattern else ()
        return " ".join(filter(None, (feeds, *form, self.stated_export_time(file_name))))

    def select(self, table: str) -> str | None:
        """The SELECT that turns view `raw` into the table's delivered columns; None: `raw` has them already by name.

        The one called `unmapped` says which records feed no table: see `sql/prepare/unmapped.sql`.
        """
        return _beside(self.folder, self.name, self.extends, f"{table}.sql")

    @property
    def looks_up_codes(self) -> bool:
        """Whether one of its SELECTs asks the code lists what a code means."""
        return any("fhir_meanings(" in text or "known_code(" in text for text in self._selects())

    def _selects(self) -> list[str]:
        tables = sorted({table for pattern in self.files for table in pattern.feeds})
        return [self.select(table) or "" for table in (*tables, "unmapped")]

    def stated_export_time(self, file_name: str) -> str | None:
        """The text of the time that the file's name states, or None."""
        pattern = _PULLED if self.exported_at.response else self.exported_at.file_name
        if pattern is None:
            return None
        found = re.search(pattern, file_name)
        return found.group(1) if found else None

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the YAML or one of its SELECTs does: a file taken under another one may read otherwise.

        Not so with `api`: how a file came says nothing about how it reads.
        """
        import hashlib

        said = [self.model_dump_json(exclude={"api"} if self.dictionary else {"api", "dictionary"})]
        said += [repr(self.explained)] if self.explained else []
        return hashlib.sha256("\0".join([*said, *self._selects()]).encode()).hexdigest()[:16]


def _bundled(name: object, where: str) -> dict[str, Any]:
    """What the YAML of a bundled source says, but for its own name."""
    entry = files(__package__).joinpath("sources", f"{name}.yaml")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_-]+", name) or not entry.is_file():
        raise SourceError(f"{where}: `extends` names no bundled source")
    said: dict[str, Any] = read_yaml(entry.read_text(encoding="utf-8"))
    return {key: value for key, value in said.items() if key not in ("name", "extends")}


def _beside(folder: Path | None, source_name: str, extended: str | None, file_name: str) -> str | None:
    """The text of a file that belongs to a source: in a workspace's `sources/<name>/`, or among ours; None if there is none."""
    if folder is not None:
        own = folder / source_name / file_name
        if own.is_file() or extended is None:
            return own.read_text(encoding="utf-8") if own.is_file() else None
    entry = files("sql").joinpath("sources", extended or source_name, file_name)
    return entry.read_text(encoding="utf-8") if entry.is_file() else None


def _with_dictionary(said: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """What a YAML says, with the columns that its data dictionary has. Raises DictionaryError."""
    file_name = said.get("dictionary")
    if not isinstance(file_name, str) or not re.fullmatch(r"[\w.-]+", file_name):
        return said
    text = _beside(folder, str(said.get("name")), said.get("extends"), file_name)
    if text is None:
        raise DictionaryError(f"is not there; it belongs to the folder '{said.get('name')}' beside the SELECTs")
    explained = read_dictionary(text)
    api = said.get("api")
    if isinstance(api, dict) and api.get("kind") == "redcap":
        # The server's clock ranks the versions: REDCap states no time of a change.
        said = {"exported_at": {"response": "Date"}, "records": "$[*]", **said}
    return {**said, "explained": explained, "columns": with_columns(explained, said.get("columns") or ())}


def _read(text: str, where: str, folder: Path | None) -> Source:
    try:
        said = read_yaml(text) or {}
        if not isinstance(said, dict):
            raise SourceError(
                f"{where}: says no `name: value` pairs. It begins with `name:`, `description:` and `files:`"
            )
        base = _bundled(said["extends"], where) if "extends" in said else {}
        return Source.model_validate(_with_dictionary({**base, **said, "folder": folder}, folder))
    except DictionaryError as error:
        raise SourceError(f"{where}: the file that `dictionary` names {error}") from error
    except yaml.YAMLError as error:
        raise SourceError(f"{where}: not YAML: {error}") from error
    except ValidationError as error:
        raise SourceError(f"{where}: {'; '.join(told(error))}") from error


def sources(workspace_folder: Path | None = None) -> dict[str, Source]:
    """All known sources by name; those of the workspace's own folder win over bundled ones of the same name.

    Raises SourceError if a YAML file cannot be read.
    """
    found: dict[str, Source] = {}
    for entry in sorted(files(__package__).joinpath("sources").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            source = _read(entry.read_text(encoding="utf-8"), entry.name, None)
            found[source.name] = source
    if workspace_folder is not None and workspace_folder.is_dir():
        for path in sorted(workspace_folder.glob("*.yaml")):
            source = _read(path.read_text(encoding="utf-8"), str(path), workspace_folder)
            found[source.name] = source
    return found
