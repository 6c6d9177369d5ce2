"""The SELECT that reads, judges and identifies the rows of one table, made from its contract and its source."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.contract import MAX_TOKEN_LENGTH, Column, Contract, RowCheck, delivered_columns
from schemas.quoting import literal, quoted
from schemas.sources import Source
from sql import statement

TODAY = "getvariable('today')::DATE"
_ISO_DATES = ("%Y-%m-%d", "%Y-%m", "%Y")
# Checks of the envelope that hold for a tombstone too: it must still say which record it ends.
_ALWAYS = ("source_record_id", "source_updated_at", "is_deleted")


def rows_statement(contract: Contract, source: Source, delivered: Iterable[str], select: str) -> str:
    """SQL that yields the rows of `contract.table`; `delivered` are the columns which `select` yields."""
    names = set(delivered)
    checks = contract.row_checks()
    refusing = [check.name for check in checks if check.action == "refuse"]
    return statement(
        "prepare/rows",
        select=select,
        table=literal(contract.table),
        trimmed=_trimmed(contract.delivered_columns, source, names),
        cleaned=_lines(
            [f"{_cleaned(c, source, names)} AS {quoted(c.text_name)}" for c in contract.delivered_columns]
            + [f"{_delivered_text(source.exported_at.column or '', source, names)} AS exported_at__text"]
        ),
        typed=_lines(f"{_typed_in(contract, c, source)} AS {quoted(c.name)}" for c in contract.delivered_columns),
        is_broken=_violated(contract, checks),
        broken=", ".join(f"CASE WHEN {_when(contract, check)} THEN {literal(check.name)} END" for check in checks),
        # CASE looks into lists only where there is something in them; AND would for every row.
        is_refused=f"CASE WHEN len(broken) > 0 THEN list_has_any(broken, {_texts(refusing)}) ELSE FALSE END",
        warnings=f"CASE WHEN len(broken) = 0 THEN [] ELSE list_sort(list_filter(broken, rule -> NOT list_contains({_texts(refusing)}, rule))) END",
        exported_at=f"coalesce({instant('exported_at__text', source)}, getvariable('exported_at')::TIMESTAMPTZ)",
        kept=_lines(_kept(c, contract, source) for c in contract.columns),
        hashed=_canonical_text(contract),
        columns=_lines(quoted(c.name) for c in contract.columns),
    )


def pseudonym_statement(source: Source, delivered: Iterable[str], select: str) -> str:
    """SQL that adds to `pseudonym` the patients whom the rows name."""
    names = set(delivered)
    trimmed = _trimmed(delivered_columns()[:2], source, names)
    return statement("prepare/pseudonym", select=select, trimmed=trimmed, patient=_patient(source, names))


def owner_statement(table: str, source: Source, delivered: Iterable[str], select: str) -> str:
    """SQL that adds to `row_owner` the rows of a table that belong to somebody."""
    names = set(delivered)
    return statement(
        "prepare/row_owner",
        select=select,
        trimmed=_trimmed(delivered_columns()[:2], source, names),
        patient=_patient(source, names),
        record=_delivered_text("source_record_id", source, names),
        table=literal(table),
    )


def _lines(parts: Iterable[str]) -> str:
    return ",\n        ".join(parts)


def _texts(words: Iterable[str]) -> str:
    return "[" + ", ".join(literal(word) for word in words) + "]::VARCHAR[]"


def _trimmed(columns: Iterable[Column], source: Source, names: set[str]) -> str:
    """SQL of the delivered columns that are read, without the blanks around them.

    A step of its own: DuckDB would trim a value anew wherever it stands in a CASE.
    """
    read = {column.delivered_name for column in columns} | {source.exported_at.column, source.patient.column}
    return _lines(
        f"cleaned({quoted(name)}::VARCHAR) AS {_trimmed_name(name)}" for name in sorted(names) if name in read
    )


def _trimmed_name(name: str) -> str:
    return quoted(f"{name}__trimmed")


def _delivered_text(name: str, source: Source, names: set[str]) -> str:
    if name not in names:
        return "NULL::VARCHAR"
    text = _trimmed_name(name)
    if not source.missing_tokens:
        return text
    longest = max(map(len, source.missing_tokens))
    # The length is compared first because it decides nearly every value, and the words cost more.
    return f"CASE WHEN length({text}) <= {longest} AND {text} IN ({', '.join(map(literal, source.missing_tokens))}) THEN NULL ELSE {text} END"


def _cleaned(column: Column, source: Source, names: set[str]) -> str:
    if column.name == "source_patient_id":
        return _patient(source, names)
    return _delivered_text(column.delivered_name, source, names)


def _patient(source: Source, names: set[str]) -> str:
    if source.patient.constant is not None:
        return literal(source.patient.constant)
    if source.patient.per_record:
        return _delivered_text("source_record_id", source, names)
    return _delivered_text(source.patient.column or "source_patient_id", source, names)


def _typed_in(contract: Contract, column: Column, source: Source) -> str:
    value = typed(column, source)
    date = _date_of(column, contract)
    if date is None:
        return value
    # A word that is no precision must stay unread, for the check that says so.
    return f"CASE WHEN {quoted(column.text_name)} IS NULL OR {value} IS NOT NULL THEN {_precision(date, value, source)} END"


def typed(column: Column, source: Source) -> str:
    """SQL that reads the column's delivered text as its type, NULL where it is none of that type."""
    text = quoted(column.text_name)
    if column.parent:
        return f"record_uuid(getvariable('record_key'), {literal(column.parent)}, getvariable('source_system'), {text})"
    if column.allowed or column.code_list:
        return _word(column, text, source)
    if column.is_list:
        return f"as_whole_numbers({text})"
    match column.sql_type:
        case "VARCHAR":
            return f"upper({text})" if column.letter_case == "upper" else text
        case "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT":
            return f"TRY_CAST(as_whole_number({_with_point(text, source)}) AS {column.sql_type})"
        case "DOUBLE":
            return f"as_number({_with_point(text, source)})"
        case "BOOLEAN":
            return f"as_truth({text})"
        case "DATE":
            return f"coalesce({', '.join(f'{date}::DATE' for date, _ in _readings(column, source))})"
        case "TIMESTAMPTZ":
            return instant(text, source)
    raise ValueError(f"{column.name}: no reading for type {column.sql_type}")


def _with_point(text: str, source: Source) -> str:
    return f"with_point({text})" if source.decimal == "," else text


def instant(text: str, source: Source) -> str:
    """SQL that reads a text as an instant: by the source's formats, else ISO 8601 in the source's time zone."""
    if source.time_formats:
        return f"try_strptime({text}, {_texts(source.time_formats)})::TIMESTAMPTZ"
    return f"as_instant({text})"


def _readings(column: Column, source: Source) -> list[tuple[str, str]]:
    """(SQL, precision) of each way to read a date, the most precise first; in part only where a precision stands beside it."""
    text = quoted(column.text_name)
    by_precision: dict[str, list[str]] = {"day": [], "month": [], "year": []}
    for form in source.date_formats or _ISO_DATES:
        by_precision[_precision_of(form)].append(form)
    parts = ("day", "month", "year") if column.has_precision else ("day",)
    return [(f"try_strptime({text}, {_texts(by_precision[part])})", part) for part in parts if by_precision[part]]


def _precision_of(form: str) -> str:
    """How much of a date a format reads: the day, the month or the year."""
    if any(sign in form for sign in ("%d", "%-d", "%j")):
        return "day"
    return "month" if any(sign in form for sign in ("%m", "%-m", "%b", "%B")) else "year"


def vocabulary(column: Column) -> dict[str, str]:
    """Every token that may stand for a value of the column, with that value as text."""
    if column.allowed:
        from schemas.codes import normalise_token

        words = {normalise_token(a.label): str(a.value) for a in column.allowed if a.label != str(a.value)}
        # A number is no word: without its sign, -1 would be the token of 1.
        return words | {normalise_token(a.value): a.value for a in column.allowed if isinstance(a.value, str)}
    from schemas.codes import code_list

    return code_list(column.code_list).tokens()


def _word(column: Column, text: str, source: Source) -> str:
    """SQL that reads a text, or each item of a list, as a value of a closed or open list."""
    if not column.is_list:
        return _one_word(column, text, source)
    item = _one_word(column, "cleaned(item)", source)
    return f"list_filter(list_transform(string_split({text}, '|'), item -> CASE WHEN cleaned(item) IS NULL THEN '' ELSE {item} END), word -> word IS DISTINCT FROM '')"


def _one_word(column: Column, text: str, source: Source) -> str:
    tokens = vocabulary(column)
    values = list(dict.fromkeys([*tokens.values(), *(str(a.value) for a in column.allowed)]))
    # A cast to an enum is a look-up in a hash table: first the values as they are, which is nearly every row of a
    # canonical export, then whatever the normalised token stands for.
    ways = [f"TRY_CAST({text} AS ENUM({', '.join(map(literal, values))}))::VARCHAR"]
    if column.letter_case != "keep":
        words = ", ".join(map(literal, tokens))
        ways.append(
            f"list_extract({_texts(tokens.values())}, enum_code(TRY_CAST(as_token({text}) AS ENUM({words}))) + 1)"
        )
    if column.is_open:
        # A short word that no list has yet. What is longer is a text that somebody wrote, and belongs in no warehouse.
        token = f"as_token({text})"
        ways.append(
            f"CASE WHEN length({token}) BETWEEN 1 AND {MAX_TOKEN_LENGTH} THEN getvariable('source_system') || ':' || {token} END"
        )
    word = f"coalesce({', '.join(ways)})"
    if column.item_type == "VARCHAR":
        return word
    return f"coalesce(TRY_CAST({word} AS {column.item_type}), {_known_number(column, text, source)})"


def _known_number(column: Column, text: str, source: Source) -> str:
    numbers = ", ".join(str(a.value) for a in column.allowed)
    number = f"TRY_CAST(as_whole_number({_with_point(text, source)}) AS {column.item_type})"
    return f"CASE WHEN {number} IN ({numbers}) THEN {number} END"


def _when(contract: Contract, check: RowCheck) -> str:
    """SQL, true where the check fails. A tombstone is judged only by what it still says."""
    violated = f"({check.violated.replace('{today}', TODAY)})"
    if check.column in _ALWAYS:
        return violated
    return f"({violated} AND NOT coalesce(is_deleted, FALSE))"


def _violated(contract: Contract, checks: Iterable[RowCheck]) -> str:
    return " OR ".join(_when(contract, check) for check in checks) or "FALSE"


def _kept(column: Column, contract: Contract, source: Source) -> str:
    name = quoted(column.name)
    value = name
    if column.default is not None:
        default = literal(column.default) if isinstance(column.default, str) else repr(column.default)
        value = f"CASE WHEN {quoted(column.text_name)} IS NULL THEN {default}::{column.sql_type} ELSE {name} END"
    if date := _date_of(column, contract):
        value = f"CASE WHEN {quoted(date.name)} IS NULL OR {_is_blanked(contract, date)} THEN 'unknown' ELSE {name} END"
    elif column.has_precision:
        value = _truncated(column, contract.column(f"{column.name}_precision"))
    return f"CASE WHEN is_deleted OR {_is_blanked(contract, column)} THEN NULL ELSE {value} END AS {name}"


def _is_blanked(contract: Contract, column: Column) -> str:
    blanking = [
        check.name for check in contract.row_checks() if check.column == column.name and check.action == "blank"
    ]
    if not blanking:
        return "FALSE"
    return f"CASE WHEN len(broken) > 0 THEN list_has_any(broken, {_texts(blanking)}) ELSE FALSE END"


def _date_of(column: Column, contract: Contract) -> Column | None:
    """The date whose known part the column states, if it is a column of precision."""
    return next((c for c in contract.columns if c.has_precision and f"{c.name}_precision" == column.name), None)


def _precision(date: Column, stated: str, source: Source) -> str:
    """What is known of the date: the coarser of what is stated and of the form in which it was delivered."""
    readings = {part: f"{reading} IS NOT NULL" for reading, part in _readings(date, source)}
    day, month, year = (readings.get(part, "FALSE") for part in ("day", "month", "year"))
    return (
        f"CASE WHEN {day} THEN coalesce({stated}, 'day') "
        f"WHEN {month} THEN CASE WHEN {stated} IN ('year', 'unknown') THEN {stated} ELSE 'month' END "
        f"WHEN {year} THEN CASE WHEN {stated} = 'unknown' THEN {stated} ELSE 'year' END ELSE {stated} END"
    )


def _truncated(date: Column, precision: Column) -> str:
    """The first day of the part that is known."""
    name = quoted(date.name)
    return f"CASE {quoted(precision.name)} WHEN 'month' THEN date_trunc('month', {name})::DATE WHEN 'year' THEN date_trunc('year', {name})::DATE ELSE {name} END"


def _canonical_text(contract: Contract) -> str:
    """SQL of the text that `row_hash` is taken of: the same for the same content, whatever the session's time zone.

    The patient belongs to it, or a record that moves to another patient would be taken for the one before. So do the rules
    that blanked a field: of a value that was blanked and one that was never there, only one carries a warning.
    """
    parts = [
        "coalesce(pseudonym.patient_id::VARCHAR, '')",
        "coalesce(epoch_us(source_updated_at)::VARCHAR, '')",
        "is_deleted::VARCHAR",
    ]
    for column in contract.columns:
        name = quoted(column.name)
        text = f"epoch_us({name})::VARCHAR" if column.sql_type == "TIMESTAMPTZ" else f"{name}::VARCHAR"
        if column.sql_type == "VARCHAR" and not column.allowed and not column.code_list:
            # Only here can the separator stand in a value.
            text = f"replace(replace({name}, '\\', '\\\\'), '|', '\\/')"
        parts.append(f"coalesce({text}, '')")
    blanking = [check.name for check in contract.row_checks() if check.action == "blank"]
    if blanking:
        blanked = f"list_filter(warnings, rule -> list_contains({_texts(blanking)}, rule))"
        parts.append(f"CASE WHEN len(warnings) > 0 THEN {blanked}::VARCHAR ELSE '' END")
    return f"concat_ws('|', {', '.join(parts)})"
