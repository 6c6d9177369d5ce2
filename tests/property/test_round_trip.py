"""What an export writes is what the warehouse says, for every column of every table. Values are made from the contracts."""

import csv
import hashlib
import hmac
import tempfile
from datetime import UTC, date, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from canonical import CANONICAL, NOW, admit_batches, query, write_csv
from hypothesis import given
from hypothesis import strategies as st
from modes import examples
from ready import empty

from flows.settings import open_workspace
from flows.stages.rows import vocabulary
from schemas.contract import TABLES, Column, contract
from schemas.quoting import quoted

BLANKS = " \t\r\n\xa0"
SIZES = {"TINYINT": 127, "SMALLINT": 32767, "INTEGER": 2**31 - 1, "BIGINT": 2**53}
# What a cell holds, as it is written and as it must be read.
Cell = st.SearchStrategy[tuple[str, object]]


def same(text: str) -> tuple[str, object]:
    return text, text


def words(column: Column) -> Cell:
    known = sorted(set(vocabulary(column).values()))
    read = str if column.item_type == "VARCHAR" else int
    found = st.sampled_from(known).map(lambda word: (word, read(word)))
    if column.code_list and column.is_open:
        found |= st.sampled_from(
            [("Zzz – unheard of!", "canonical:zzz_unheard_of"), ("ünbekannt 7", "canonical:ünbekannt_7")]
        )
    return found


def texts(column: Column) -> Cell:
    if column.pattern:
        free = st.from_regex(column.pattern, fullmatch=True)
    else:
        free = st.text(
            st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=column.max_length or 60
        )
        free |= st.sampled_from(
            [
                'say "so"',
                "a,b;c|d",
                "line\nbreak",
                "line\r\nbreak",
                "\\",
                "'; DROP TABLE x; --",
                "🚶‍♀️ é ʤ",
                "x" * 40,
                "\r\n edge \xa0\t\n",
            ]
        )
    free = free.filter(lambda text: text.strip(BLANKS) and text.strip(BLANKS) not in CANONICAL.missing_tokens)
    return free.map(lambda text: (text, text.strip(BLANKS)))


def numbers(column: Column) -> Cell:
    most = SIZES[column.item_type]
    low = int(column.minimum) if column.minimum is not None else -most
    high = int(column.maximum) if column.maximum is not None else most
    whole = st.integers(low, min(high, 2015) if low >= 1900 else high)
    return whole.map(lambda n: (str(n), n)) | whole.map(lambda n: (f" {n}.0 ", n))


def cells(column: Column) -> Cell:
    if column.parent:
        return st.text("abc|é", min_size=1, max_size=5).map(same)
    if column.is_list:
        if column.allowed or column.code_list:
            items = st.lists(words(column), min_size=1, max_size=3)
        else:
            items = st.lists(numbers(column) | st.just(("", None)), min_size=2, max_size=4)
        return items.map(lambda found: ("|".join(text for text, _ in found), [value for _, value in found]))
    if column.allowed or column.code_list:
        return words(column)
    match column.sql_type:
        case "VARCHAR":
            return texts(column)
        case "DOUBLE":
            limits = {"min_value": column.minimum, "max_value": column.maximum}
            return st.floats(allow_nan=False, allow_infinity=False, **limits).map(lambda n: (repr(n), n + 0.0))
        case "BOOLEAN":
            return st.sampled_from(
                [("true", True), ("Yes", True), ("1", True), ("FALSE", False), ("no", False), ("0", False)]
            )
        case "DATE":
            return st.dates(date(1900, 1, 1), NOW.date()).map(lambda day: (day.isoformat(), day))
        case "TIMESTAMPTZ":
            zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
            instants = st.datetimes(
                NOW.replace(year=1970, tzinfo=None), NOW.replace(year=2025, tzinfo=None), timezones=zones
            )
            return instants.map(lambda at: (at.isoformat(), at.astimezone(UTC)))
        case _:
            return numbers(column)


def partial_dates() -> Cell:
    """A date of which the day, the month or the year is known: text, (first day, precision)."""
    days = st.dates(date(1900, 1, 1), NOW.date())
    return (
        days.map(lambda day: (day.isoformat(), (day, "day")))
        | days.map(lambda day: (f"{day:%Y-%m}", (day.replace(day=1), "month")))
        | days.map(lambda day: (f"{day:%Y}", (day.replace(month=1, day=1), "year")))
    )


@st.composite
def rows(draw, table: str) -> tuple[dict[str, str], dict[str, object]]:
    """A record as it is written, and what it must be read as."""
    given_cells, expected = {}, {}
    for column in contract(table).columns:
        if column.name in expected:
            continue
        strategy = partial_dates() if column.has_precision else cells(column)
        if column.has_precision:
            text, (value, known) = draw(strategy | st.just(("", (None, "unknown"))))
            expected[f"{column.name}_precision"] = known
        elif column.is_required:
            text, value = draw(strategy)
        else:
            text, value = draw(st.one_of(st.just(("", column.default)), strategy, strategy))
        given_cells[column.delivered_name], expected[column.name] = text, value
    return given_cells, expected


def length_prefixed(text: str) -> bytes:
    return f"{len(text.encode())}:{text}".encode()


def record_id(key: bytes, table: str, source_id: str) -> UUID:
    record_key = hashlib.sha256(b"record" + key).digest()[:16]
    said = b"".join(map(length_prefixed, (table, "canonical", source_id)))
    return UUID(hashlib.sha256(record_key + said).hexdigest()[:32])


def patient_id(key: bytes, source_id: str) -> UUID:
    message = b"".join(map(length_prefixed, ("patient", "canonical", source_id)))
    return UUID(hmac.new(key, message, "sha256").hexdigest()[:32])


@pytest.mark.parametrize("table", TABLES)
@examples(2, 40)
@given(data=st.data())
def test_what_is_written_is_what_is_read(ready, table, data):
    written = data.draw(st.lists(rows(table), min_size=12, max_size=20))
    records = [
        {"source_record_id": f"id, {n}", "source_patient_id": f'P"{n % 3}', **row} for n, (row, _) in enumerate(written)
    ]
    by_name = {check.name: check for check in contract(table).row_checks()}
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(ready.copy("empty", Path(folder) / "workspace", empty))
        path = write_csv(Path(folder) / f"{table}.csv", records, quoting=csv.QUOTE_ALL)
        (outcome,) = admit_batches(workspace, [[path]])
        assert outcome.counts["read_count"] == outcome.counts["independent_count"] == len(written)
        names = ["record_number", "record_id", "patient_id", "warnings", *(c.name for c in contract(table).columns)]
        found = query(workspace, f"SELECT {', '.join(map(quoted, names))} FROM history.{quoted(table)}")
        refused = set(query(workspace, "SELECT record_number, rule FROM ops.quarantine WHERE action = 'refuse'"))
        key = workspace.key()
    # Only rules between columns may refuse what each column takes.
    assert {rule for _, rule in refused} <= {name for name, check in by_name.items() if check.column is None}
    assert len(found) + len({number for number, _ in refused}) == len(written)
    for row in found:
        actual = dict(zip(names, row, strict=True))
        number = actual["record_number"] - 1
        assert actual["record_id"] == record_id(key, table, f"id, {number}")
        assert actual["patient_id"] == patient_id(key, f'P"{number % 3}')
        blanked = {by_name[rule].column for rule in actual["warnings"] if by_name[rule].action == "blank"}
        for column in contract(table).columns:
            expected = written[number][1][column.name]
            if column.parent:
                expected = record_id(key, column.parent, expected)
            if column.name in blanked:
                expected = None
            elif column.name.removesuffix("_precision") in blanked:
                expected = "unknown"
            assert actual[column.name] == expected, (column.name, written[number][0])
