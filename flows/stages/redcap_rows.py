"""A REDCap record as its project's dictionary says: what the SELECTs of such a source see instead of the bare texts.

Nothing is guessed: a value that the dictionary does not explain stays as it is, for the contract to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from schemas.quoting import literal, quoted
from schemas.redcap import EVENT, FILLED, INSTANCE, INSTRUMENT, KEY, Dictionary, RedcapField
from schemas.sources import Source
from sql import statement

_YEAR_FIRST = {"dmy": r"\3-\2-\1", "mdy": r"\3-\1-\2"}
_TICKED = {"1": "1", "0": "0", "TRUE": "1", "FALSE": "0", "CHECKED": "1", "UNCHECKED": "0"}


def explain(con: duckdb.DuckDBPyConnection, source: Source, dictionary: Dictionary, target: Path) -> None:
    """Write the explained records to a file, and put them in the place of view `record`."""
    columns = [name for name, *_ in con.execute("DESCRIBE record").fetchall() if name != "record_number"]
    con.execute(_explained_statement(source, dictionary, [quoted(name) for name in columns], target))
    target.chmod(0o600)


def _explained_statement(source: Source, dictionary: Dictionary, columns: list[str], target: Path) -> str:
    names = {c.name: quoted(c.raw_name) for c in source.columns if c.name and not c.ignore}
    read = {names[column]: value for column, value in _values(dictionary, names)}
    return statement(
        "prepare/redcap_record",
        cleaned=_lines(f"cleaned({name}) AS {name}" if name in read else name for name in columns),
        read=_lines(f"{read.get(name, name)} AS {name}" for name in columns),
        made=_lines(f"{value} AS {quoted(name)}" for name, value in _made(dictionary, names)),
        target=literal(str(target)),
    )


def _lines(parts: Iterable[str]) -> str:
    return ",\n        ".join(parts)


def _values(dictionary: Dictionary, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each column of the export that the source takes, and SQL of what it says."""
    fields = {column: field for field in dictionary.fields for column in field.columns}
    for column in dictionary.columns:
        if column not in names:
            continue
        text = names[column]
        if column in fields:
            yield column, _value(fields[column], text)
        elif column.endswith("_timestamp"):
            yield column, _with_seconds(f"nullif({text}, '[not completed]')")
        else:
            yield column, text


def _value(field: RedcapField, text: str) -> str:
    if field.kind == "checkbox":
        cases = " ".join(f"WHEN {literal(said)} THEN {literal(code)}" for said, code in _TICKED.items())
        return f"CASE upper({text}) {cases} ELSE {text} END"
    if {code for code, _ in field.choices} == {"0", "1"}:
        # As R and spreadsheets write such codes.
        return f"CASE upper({text}) WHEN 'TRUE' THEN '1' WHEN 'FALSE' THEN '0' ELSE {text} END"
    kind, _, order = field.validation.rpartition("_")
    if field.validation.endswith("comma_decimal"):
        # REDCap writes no thousands signs.
        return (
            f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]*,[0-9]+') THEN replace({text}, ',', '.') ELSE {text} END"
        )
    if kind.startswith("date"):
        if order in _YEAR_FIRST:
            # Exports have the year first, whatever order people see; files that went through other hands may not.
            pattern = r"'^(\d{2})[-/.](\d{2})[-/.](\d{4})'"
            text = f"regexp_replace({text}, {pattern}, {literal(_YEAR_FIRST[order])})"
        return _with_seconds(text) if kind.startswith("datetime") else text
    return text


def _with_seconds(text: str) -> str:
    return rf"regexp_replace({text}, '^(\d{{4}}-\d{{2}}-\d{{2}}[ T]\d{{2}}:\d{{2}})$', '\1:00')"


def _made(dictionary: Dictionary, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What is made of a record's columns: labels of choices, what is ticked, a key, the instruments with anything in them."""
    for field in dictionary.fields:
        taken = [names.get(column) for column in field.columns]
        if field.kind == "checkbox":
            ticks = list(zip(taken, field.choices, strict=True))
            for what, place in (("codes", 0), ("labels", 1)):
                yield f"{field.name}__{what}", _ticked([(column, choice[place]) for column, choice in ticks])
        elif field.choices and taken[0] is not None:
            cases = " ".join(f"WHEN {literal(code)} THEN {literal(label)}" for code, label in field.choices)
            yield f"{field.name}__label", f"CASE {taken[0]} {cases} ELSE {taken[0]} END"
    record_id = f"replace({names[dictionary.record_id]}, '/', '//')"
    yield (
        KEY,
        f"concat_ws('/', {', '.join([record_id, *(names[n] for n in (EVENT, INSTRUMENT, INSTANCE) if n in names)])})",
    )
    forms = [f"CASE WHEN {_is_filled(form, dictionary, names)} THEN {literal(form)} END" for form in dictionary.forms]
    yield FILLED, f"coalesce(nullif(concat_ws('|', {', '.join(forms)}), ''), 'none')"


def _ticked(choices: list[tuple[str | None, str]]) -> str:
    said = [f"CASE WHEN {column} = '1' THEN {literal(word)} END" for column, word in choices if column is not None]
    return f"nullif(concat_ws('|', {', '.join(said)}), '')" if said else "NULL::VARCHAR"


def _is_filled(form: str, dictionary: Dictionary, names: dict[str, str]) -> str:
    """SQL, true where an instrument holds anything. What is not ticked, and the status of a form that nobody touched, are nothing."""
    tests = []
    for field in dictionary.fields:
        for column in field.columns:
            if field.form == form and column != dictionary.record_id and column in names:
                empty = " NOT IN ('0', '')" if field.kind == "checkbox" else " IS NOT NULL"
                tests.append(f"{names[column]}{empty}")
    own = set(dictionary.field_columns)
    for column, empty in ((f"{form}_timestamp", " IS NOT NULL"), (f"{form}_complete", " NOT IN ('0', 'Incomplete')")):
        if column in names and column not in own:
            tests.append(f"{names[column]}{empty}")
    return f"coalesce({' OR '.join(tests)}, FALSE)" if tests else "FALSE"
