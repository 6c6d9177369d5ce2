"""The contract of a record table, read once from Open Data Contract Standard YAML.

`contract("symptom_report")` is the only list of that table's columns. Everything else is made from it: the Arrow schema,
the DDL with column comments, the checks of a row, the Great Expectations suite, the dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from schemas.quoting import literal, quoted
from schemas.reading_yaml import read_yaml

if TYPE_CHECKING:
    import pyarrow as pa

Action = Literal["refuse", "blank", "warn"]
TABLES = (
    "patient",
    "consent",
    "relapse",
    "symptom_report",
    "activity_limitation",
    "weekly_activity",
    "fall_report",
    "treatment_episode",
    "treatment_evaluation",
    "outcome_assessment",
)
EARLIEST_DATE = "1900-01-01"
# The longest name that an open column takes beside the codes of its list (questionnaires have items of 120 letters): what is
# longer is a text that somebody wrote.
MAX_TOKEN_LENGTH = 160
DEFAULT_TOLERANCE = 0.10
# The standard's words for two kinds of check, and those of clinical data quality (Kahn et al. 2016, eGEMs 4:1244).
_DIMENSIONS = {"conformity": "conformance", "accuracy": "plausibility"}
_COUNT_QUERY = re.compile(r"SELECT count\(\*\) FROM \{object\} WHERE (?P<violation>.+)", re.DOTALL)


@dataclass(frozen=True)
class Allowed:
    """One value of a closed list: what is stored, the word for it, what it means."""

    value: str | int
    label: str
    description: str


@dataclass(frozen=True)
class RowCheck:
    """A rule that sees one row: `violated` is SQL over the row's typed columns, true where the rule is broken.

    `<column>__text` is the delivered text (NULL if nothing was delivered), `{today}` the date of the check in the
    source's time zone.
    """

    name: str
    column: str | None
    action: Action
    violated: str
    message: str
    dimension: str = "conformance"


@dataclass(frozen=True)
class Column:
    """One column of a record table, with all that is said of it anywhere."""

    name: str
    sql_type: str
    description: str
    is_required: bool = False
    minimum: float | str | None = None
    maximum: float | str | None = None
    max_length: int | None = None
    pattern: str | None = None
    allowed: tuple[Allowed, ...] = ()
    code_list: str | None = None
    is_open: bool = False
    parent: str | None = None
    on_failure: Action = "refuse"
    default: str | int | float | None = None
    unit: str | None = None
    letter_case: Literal["lower", "upper", "keep"] = "lower"
    may_be_future: bool = False
    classification: str = "internal"
    source_name: str = ""
    has_precision: bool = False

    @property
    def delivered_name(self) -> str:
        """The column's name in a canonical export: a child names its parent by the source's id."""
        return self.source_name or self.name

    @property
    def text_name(self) -> str:
        """The column of the delivered text beside the typed value, in the relation that row checks see."""
        return f"{self.name}__text"

    @property
    def is_list(self) -> bool:
        return self.sql_type.endswith("[]")

    @property
    def item_type(self) -> str:
        return self.sql_type.removesuffix("[]")

    def checks(self) -> Iterator[RowCheck]:
        """The checks which follow from the column's own properties, in the order in which a reader would make them."""
        name, text = quoted(self.name), quoted(self.text_name)

        def check(
            kind: str, violated: str, message: str, action: Action | None = None, dimension: str = "conformance"
        ) -> RowCheck:
            return RowCheck(
                f"{self.name}_{kind}",
                self.name,
                action or self.on_failure,
                violated,
                f"{self.delivered_name} {message}",
                dimension,
            )

        if self.is_required:
            yield check("missing", f"{text} IS NULL", "is missing", "refuse", "completeness")
        if self.allowed:
            known = ", ".join(_wording(a) for a in self.allowed)
            yield check("unknown_value", self._unread(name, text), f"must be one of: {known}")
        elif self.code_list and self.is_open:
            yield check(
                "no_code", self._unread(name, text), f"is neither a code nor a word of up to {MAX_TOKEN_LENGTH} letters"
            )
        elif self.code_list:
            yield check("unknown_code", self._unread(name, text), f"is not in the code list '{self.code_list}'")
        elif not self.code_list and self.sql_type != "VARCHAR":
            yield check("unreadable", self._unread(name, text), f"is not {_KIND.get(self.item_type, 'readable')}")
        if self.minimum is not None or self.maximum is not None:
            yield check("out_of_range", self._outside(name), f"must be {_range(self)}")
        if self.sql_type == "DATE":
            yield check("too_early", f"{name} < DATE {literal(EARLIEST_DATE)}", f"lies before {EARLIEST_DATE}")
            if not self.may_be_future:
                yield check("in_future", f"{name} > {{today}}", "lies in the future")
        if self.pattern:
            yield check(
                "malformed", f"NOT regexp_full_match({name}, {literal(self.pattern)})", f"must match {self.pattern}"
            )
        if self.max_length:
            yield check(
                "too_long", f"length({name}) > {self.max_length}", f"is longer than {self.max_length} characters"
            )

    def _unread(self, name: str, text: str) -> str:
        if self.is_list and (self.allowed or self.code_list):
            return f"list_count({name}) < len({name})"
        return f"{text} IS NOT NULL AND {name} IS NULL"

    def _outside(self, name: str) -> str:
        bounds = []
        for sign, bound in (("<", self.minimum), (">", self.maximum)):
            if bound is not None:
                value = f"DATE {literal(bound)}" if isinstance(bound, str) else repr(bound)
                bounds.append(
                    f"list_{'min' if sign == '<' else 'max'}({name}) {sign} {value}"
                    if self.is_list
                    else f"{name} {sign} {value}"
                )
        return " OR ".join(bounds)


_KIND = {
    "TINYINT": "a whole number",
    "SMALLINT": "a whole number",
    "INTEGER": "a whole number",
    "BIGINT": "a whole number",
    "DOUBLE": "a number",
    "DATE": "a date in the stated format (YYYY-MM-DD where the source states none)",
    "TIMESTAMPTZ": "a time in the stated format (ISO 8601 where the source states none)",
    "BOOLEAN": "true or false",
}


def _wording(allowed: Allowed) -> str:
    return str(allowed.value) if str(allowed.value) == allowed.label else f"{allowed.value} ({allowed.label})"


def _range(column: Column) -> str:
    low, high = column.minimum, column.maximum
    unit = f" {column.unit}" if column.unit else ""
    if high is None:
        return f"at least {low}{unit}"
    return f"at most {high}{unit}" if low is None else f"{low} to {high}{unit}"


@dataclass(frozen=True)
class Contract:
    """A table's columns and rules, with the version that is written into every ledger."""

    table: str
    version: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    rules: tuple[RowCheck, ...] = ()
    tolerance: float = DEFAULT_TOLERANCE
    _by_name: dict[str, Column] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_name.update({column.name: column for column in self.columns})

    def column(self, name: str) -> Column:
        return self._by_name[name]

    @cached_property
    def row_columns(self) -> tuple[Column, ...]:
        """All columns of a row of `history.<table>`, the table's own ones before the ledger's."""
        kept = kept_columns()
        at = [column.name for column in kept].index("file_id")
        return kept[:at] + self.columns + kept[at:]

    @cached_property
    def delivered_columns(self) -> tuple[Column, ...]:
        """All columns of a canonical export of the table: the envelope, then its own."""
        return delivered_columns() + self.columns

    def row_checks(self) -> tuple[RowCheck, ...]:
        """Every check of one row, the envelope's first."""
        own = tuple(check for column in self.delivered_columns for check in column.checks())
        return own + self.rules

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of a row of `history.<table>`."""
        import pyarrow as pa

        return pa.schema(
            [pa.field(c.name, _arrow_type(c.sql_type), nullable=not c.is_required) for c in self.row_columns]
        )

    def ddl(self, schema: str = "history") -> list[str]:
        """`CREATE TABLE` and one `COMMENT` a column. No keys, checks, enums or indexes: what DuckDB and DuckLake share."""
        table = f"{quoted(schema)}.{quoted(self.table)}"
        lines = [
            f"    {quoted(c.name)} {c.sql_type}{' NOT NULL' if self._is_never_null(c) else ''}"
            for c in self.row_columns
        ]
        comments = [f"COMMENT ON COLUMN {table}.{quoted(c.name)} IS {literal(describe(c))}" for c in self.row_columns]
        return [
            f"CREATE TABLE IF NOT EXISTS {table} (\n" + ",\n".join(lines) + "\n)",
            f"COMMENT ON TABLE {table} IS {literal(f'{self.description} Grain: {self.grain}. Contract {self.version}.')}",
            *comments,
        ]

    def _is_never_null(self, column: Column) -> bool:
        # A tombstone has none of the table's own columns, so only the envelope's can be NOT NULL in the warehouse.
        return column.is_required and column not in self.columns

    def expectations(self) -> list[dict[str, Any]]:
        """The Great Expectations of a batch that is about to be admitted, as (type, kwargs) dictionaries.

        They say again, in the vocabulary of another tool, what the row checks have already decided: nothing that is
        admitted breaks a refusing rule, and what was to be blanked is blank. Tombstones are left out by the caller.
        """
        found: list[dict[str, Any]] = [
            {
                "type": "expect_table_columns_to_match_set",
                "kwargs": {
                    "column_set": [c.name for c in self.row_columns if c.name not in LEDGER_COLUMNS],
                    "exact_match": False,
                },
            }
        ]
        for column in self.columns:
            found += list(_expectations_of(column))
        for rule in self.rules:
            if rule.action == "refuse":
                query = f"SELECT record_number FROM {{batch}} WHERE {rule.violated}"
                found.append(
                    {
                        "type": "unexpected_rows_expectation",
                        "kwargs": {"unexpected_rows_query": query, "description": rule.message},
                    }
                )
        return found

    def export_dictionary(self) -> list[dict[str, str]]:
        """One entry a column of a canonical export: name, whether it must be there, how it is written, allowed values."""
        return [
            {
                "table": self.table,
                "column": c.delivered_name,
                "required": "yes" if c.is_required else "",
                "form": export_form(c),
                "allowed": allowed_values(c),
                "description": c.description,
            }
            for c in self.delivered_columns
        ]

    def dictionary(self) -> list[dict[str, str]]:
        """One entry a column of `core.<table>`: name, type, unit, allowed values, description."""
        return [
            {
                "table": self.table,
                "column": c.name,
                "type": c.sql_type,
                "unit": c.unit or "",
                "allowed": allowed_values(c),
                "description": c.description,
            }
            for c in self.row_columns
        ]


EXPORT_FORMS = {
    "TINYINT": "whole number",
    "SMALLINT": "whole number",
    "INTEGER": "whole number",
    "BIGINT": "whole number",
    "DOUBLE": "number",
    "DATE": "YYYY-MM-DD",
    "TIMESTAMPTZ": "ISO 8601, such as 2025-04-24T06:00:00Z",
    "BOOLEAN": "true or false",
    "VARCHAR": "text",
    "UUID": "the source's own id",
}
LEDGER_COLUMNS = ("file_id", "admitted_in", "superseded_in")


def export_form(column: Column) -> str:
    """How the column is written in a canonical export."""
    form = EXPORT_FORMS[column.item_type]
    if column.has_precision:
        form += ", YYYY-MM or YYYY"
    return f"{form}; several are separated by |" if column.is_list else form


def allowed_values(column: Column) -> str:
    """The values a column may take, as a reader of the dictionary wants them; empty where any value may stand."""
    if column.allowed:
        return ", ".join(_wording(a) for a in column.allowed)
    if column.code_list:
        return f"code list '{column.code_list}'{' (open)' if column.is_open else ''}"
    return _range(column) if column.minimum is not None or column.maximum is not None else ""


def describe(column: Column) -> str:
    """The column's comment in the warehouse: description, unit and allowed values."""
    parts = [column.description]
    if column.unit:
        parts.append(f"Unit: {column.unit}.")
    if values := allowed_values(column):
        parts.append(f"Allowed: {values}.")
    return " ".join(parts)


def _expectations_of(column: Column) -> Iterator[dict[str, Any]]:
    name = column.name
    if column.is_required:
        yield {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name}}
    if column.is_list:
        return
    if column.allowed:
        yield {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": name, "value_set": [a.value for a in column.allowed]},
        }
    if column.on_failure != "warn" and (column.minimum is not None or column.maximum is not None):
        yield {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": name, "min_value": column.minimum, "max_value": column.maximum},
        }
    if column.max_length:
        yield {
            "type": "expect_column_value_lengths_to_be_between",
            "kwargs": {"column": name, "max_value": column.max_length},
        }


def _arrow_type(sql_type: str) -> pa.DataType:
    import pyarrow as pa

    if sql_type.endswith("[]"):
        return pa.list_(_arrow_type(sql_type.removesuffix("[]")))
    return {
        "VARCHAR": pa.string(),
        "UUID": pa.string(),
        "TINYINT": pa.int8(),
        "SMALLINT": pa.int16(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "UBIGINT": pa.uint64(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    }[sql_type]


@cache
def contract(table: str) -> Contract:
    """The contract of a record table. Raises KeyError with the known names if there is no such table."""
    if table not in TABLES:
        raise KeyError(f"no record table '{table}'; there are: {', '.join(TABLES)}")
    standard = _standard(table)
    schema = standard.schema_[0]
    if schema.name != table:
        raise ValueError(f"schemas/contracts/{table}.odcs.yaml describes '{schema.name}'")
    properties = {p.name: p for p in schema.properties}
    columns = tuple(_column(p, f"{p.name}_precision" in properties) for p in schema.properties)
    rules = tuple(_rule(q, None) for q in schema.quality or ()) + tuple(
        _rule(q, p.name) for p in schema.properties for q in p.quality or ()
    )
    custom = _custom(schema)
    return Contract(
        table=table,
        version=standard.version,
        description=schema.description,
        grain=schema.dataGranularityDescription,
        columns=columns,
        rules=rules,
        tolerance=custom.get("tolerance", DEFAULT_TOLERANCE),
    )


@cache
def code_lists() -> tuple[str, ...]:
    """The names of all code lists that a column refers to."""
    return tuple(dict.fromkeys(c.code_list for agreed in contracts() for c in agreed.columns if c.code_list))


def contracts() -> list[Contract]:
    """All record tables' contracts, parents before children."""
    return [contract(table) for table in TABLES]


@cache
def delivered_columns() -> tuple[Column, ...]:
    """What an export says of any record: its id, its patient's id, when it changed, whether it is gone."""
    return tuple(_column(p, False) for p in _standard("envelope").schema_[0].properties)


@cache
def kept_columns() -> tuple[Column, ...]:
    """What `history` keeps of any record beside its table's own columns."""
    return tuple(_column(p, False) for p in _standard("envelope").schema_[1].properties)


@cache
def _standard(name: str) -> Any:
    from open_data_contract_standard.model import OpenDataContractStandard

    text = files(__package__).joinpath("contracts", f"{name}.odcs.yaml").read_text(encoding="utf-8")
    return OpenDataContractStandard(**read_yaml(text))


def _custom(thing: Any) -> dict[str, Any]:
    return {entry.property: entry.value for entry in thing.customProperties or ()}


def _column(entry: Any, has_precision: bool) -> Column:
    custom, options = _custom(entry), entry.logicalTypeOptions or {}
    enum = entry.enum or (entry.items.enum if entry.items else None) or ()
    if entry.items and entry.items.logicalTypeOptions:
        options = {**entry.items.logicalTypeOptions, **options}
    # A parent that is one of our tables is checked by `core`; a code list is not a parent.
    parents = [r.to.split(".")[0] for r in entry.relationships or () if r.to.split(".")[0] in TABLES]
    return Column(
        name=entry.name,
        sql_type=entry.physicalType,
        description=" ".join(entry.description.split()),
        is_required=bool(entry.required),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        max_length=options.get("maxLength"),
        pattern=options.get("pattern"),
        allowed=tuple(Allowed(v.value, v.label or str(v.value), v.description or "") for v in enum),
        code_list=custom.get("codeList"),
        is_open=custom.get("open", False),
        parent=parents[0] if parents else None,
        on_failure=custom.get("onFailure", "refuse"),
        default=custom.get("default"),
        unit=custom.get("unit"),
        letter_case=custom.get("letterCase", "lower"),
        may_be_future=custom.get("mayBeFuture", False),
        classification=entry.classification or "internal",
        source_name=custom.get("sourceName", ""),
        has_precision=has_precision,
    )


def _rule(entry: Any, column: str | None) -> RowCheck:
    match = _COUNT_QUERY.fullmatch(" ".join(entry.query.split()))
    if match is None:
        raise ValueError(
            f"rule '{entry.name}': write the query as SELECT count(*) FROM {{object}} WHERE <what is wrong>"
        )
    return RowCheck(
        name=entry.name,
        column=column,
        action=_custom(entry).get("onFailure", "refuse"),
        violated=match["violation"],
        message=" ".join(entry.description.split()),
        dimension=_DIMENSIONS.get(entry.dimension, entry.dimension),
    )


def required_names(columns: Iterable[Column]) -> list[str]:
    """Names under which an export must deliver the columns that may not be missing."""
    return [column.delivered_name for column in columns if column.is_required]
