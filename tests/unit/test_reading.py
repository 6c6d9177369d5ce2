"""From bytes to records: whatever the form of the file, every record once, by name and with its number."""

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from canonical import CANONICAL, csv_text, prepare, quarantined, record, records, spooled, write, write_csv
from hypothesis import given
from hypothesis import strategies as st
from modes import examples

from flows.errors import UnreadableError
from flows.settings import create_workspace
from flows.stages import csv_records, reading
from flows.warehouse import scratch
from schemas.sources import FilePattern, Source, SourceColumn

PLAIN = Source(name="plain", description="any CSV", files=(FilePattern(match="*", feeds=("patient",)),))


def source(names: str, **said) -> Source:
    return PLAIN.model_copy(update={"columns": tuple(SourceColumn(name=name) for name in names.split(",")), **said})


def read(workspace, content: str | bytes, names: str = "a,b", file_name: str = "export.csv", **said):
    """(number, fields) of the good records."""
    path = write(workspace.root.parent / file_name, content)
    return records(workspace, path, source(names, **said), names.split(","))


SPECTRUM = [
    "comma_in_quotes",
    "empty",
    "empty_crlf",
    "escaped_quotes",
    "json",
    "newlines",
    "newlines_crlf",
    "quotes_and_newlines",
    "simple",
    "simple_crlf",
    "utf8",
]


@pytest.mark.parametrize("name", SPECTRUM)
def test_each_file_of_csv_spectrum_reads_as_its_json(real_exports, workspace, name):
    folder = real_exports / "csv-spectrum"
    expected = json.loads((folder / "json" / f"{name}.json").read_bytes())
    content = (folder / "csvs" / f"{name}.csv").read_bytes()
    if name.endswith("_crlf") and b"\r" not in content:  # copies of the set often lose what these files are about
        content = content.replace(b"\n", b"\r\n")
    columns = list(expected[0])
    found = records(
        workspace, write(workspace.root.parent / f"{name}.csv", content), source(",".join(columns)), columns
    )
    # An empty field is NULL where it is not quoted.
    assert [tuple(field or "" for field in fields) for _, fields in found] == [
        tuple(row[c] for c in columns) for row in expected
    ]


def test_the_list_of_csv_spectrum_is_whole(real_exports):
    assert sorted(path.stem for path in (real_exports / "csv-spectrum" / "csvs").iterdir()) == SPECTRUM


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\ufeffa,b\n1,é\n".encode(), {}),
        ("a,b\n1,é\n".encode("utf-16"), {}),
        ("\ufeffa,b\n1,é\n".encode("utf-16-be"), {}),
        ("a,b\n1,é\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("a,b\n1,é\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ("a;b\n1;é\n".encode(), {"delimiter": ";"}),
        (b"a\tb\n1\t'\xc3\xa9'\n", {"delimiter": "\t", "quote": "'"}),
    ],
    ids=[
        "byte order mark",
        "utf-16",
        "utf-16 big endian",
        "cp1252 as stated",
        "utf-16 as stated",
        "semicolon",
        "tab and single quotes",
    ],
)
def test_a_stated_form_is_read(workspace, content, said):
    assert read(workspace, content, **said) == [(1, ("1", "é"))]


def test_columns_are_found_by_name_and_never_by_place(workspace):
    assert read(workspace, "b,a\nsecond,first\n") == [(1, ("first", "second"))]


def test_case_and_blanks_of_a_header_do_not_matter(workspace):
    assert read(workspace, "  OBSERVATION   Value ,B\n1,2\n", names="observation value,b") == [(1, ("1", "2"))]


def test_a_column_that_the_file_can_do_without_is_null(workspace):
    assert read(workspace, "b\n2\n") == [(1, (None, "2"))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\r"])
def test_line_breaks_of_any_kind_end_records_and_stand_in_quotes(workspace, end, inside):
    text = end.join(["a,b", f'1,"x{inside}y"', "2,z"]) + end
    assert read(workspace, text) == [(1, ("1", f"x{inside}y")), (2, ("2", "z"))]


@pytest.mark.parametrize("text", ["a,b\n1,x\r\n2,y\n3,z\r\n", "a,b\r\n1,x\n2,y\r3,z", "a,b\n1,x\r2,y\r\n\r\n3,z\n"])
def test_mixed_line_ends_are_read(workspace, text):
    assert read(workspace, text) == [(1, ("1", "x")), (2, ("2", "y")), (3, ("3", "z"))]


def test_a_last_line_needs_no_line_break(workspace):
    assert read(workspace, "a,b\n1,x\n2,y") == [(1, ("1", "x")), (2, ("2", "y"))]


def test_a_field_of_200_kilobytes_is_read_whole(workspace):
    text = "long " * 40_000
    assert read(workspace, f'a,b\n1,"{text}"\n2,y\n') == [(1, ("1", text)), (2, ("2", "y"))]


@pytest.mark.parametrize(
    "name",
    [
        "a[1].csv",
        "a*b?.csv",
        "it's.csv",
        'say "so".csv',
        "two  words.csv",
        "ünïcode 🚶.csv",
        "a;b,c.csv",
        "{x}.csv",
        "$HOME.csv",
    ],
)
def test_any_file_name_is_that_file_only(workspace, name):
    write(workspace.root.parent / "a1.csv", "a,b\nwrong,file\n")
    assert read(workspace, "a,b\n1,x\n", file_name=name) == [(1, ("1", "x"))]


def test_a_workspace_may_lie_in_a_folder_of_any_name(tmp_path):
    odd = create_workspace(tmp_path / "it's [1] *")
    path = write_csv(tmp_path / "consent.csv", [record("consent", "a")])
    assert len(spooled(prepare(odd, path), "consent")) == 1


def test_names_of_columns_cannot_break_out_of_the_statement(workspace):
    text = csv_text([record("consent", "a", **{"x'}); DROP TABLE fault; --": "1", 'y"': "2", "{raw}": "3"})])
    candidate = prepare(workspace, write(workspace.root.parent / "consent.csv", text))
    assert candidate.prepared.unknown_columns == ["number 6", "number 7", "number 8"]
    assert len(spooled(candidate, "consent")) == 1


# What cannot be read at all says so, with what to do.
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty, not even a header"),
        ("\ufeff".encode(), "empty, not even a header"),
        (b"\xff\xfe", "empty, not even a header"),
        (b"PK\x03\x04\0\0binary", "binary file"),
        ("a,b\n1,\0\n".encode("utf-16"), "binary file"),
        (b"a,b\n1,\xe9\n", "not in the stated encoding utf-8"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "not in the stated encoding utf-16"),
    ],
)
def test_bytes_that_are_no_text_are_refused(workspace, content, message):
    path = write(workspace.root.parent / "export.csv", content)
    with pytest.raises(UnreadableError, match=message) as refused:
        reading.scan(path, PLAIN)
    assert "export.csv" in str(refused.value)


def test_half_a_character_at_the_end_is_refused_in_a_large_file_too(workspace):
    path = write(workspace.root.parent / "export.csv", b"a,b\n" + b"1,2\n" * (1 << 20) + "é".encode()[:1])
    with pytest.raises(UnreadableError, match="not in the stated encoding utf-8"):
        reading.scan(path, PLAIN)


def header(text: str, required: set[str] = frozenset(), names: str = "a,b") -> reading.Layout:
    return csv_records.match_header(next(csv.reader([text])), source(names), required, set(), "export.csv")


def test_a_column_that_stands_twice_is_refused():
    with pytest.raises(
        UnreadableError, match=r"export.csv: the column 'a' stands twice in the header. Keep one of them"
    ):
        header("a,b,A ")


def test_a_required_column_that_is_missing_is_named():
    needy = PLAIN.model_copy(
        update={
            "columns": (
                SourceColumn(name="a", required=True),
                SourceColumn(name="b", required=True),
                SourceColumn(name="c"),
            )
        }
    )
    with pytest.raises(UnreadableError, match=r"lacks the required columns a, b. It has a single column"):
        csv_records.match_header(["c"], needy, set(), set(), "export.csv")


def test_a_file_without_a_first_line_has_no_header(workspace):
    with pytest.raises(UnreadableError, match="no header in the first line"):
        csv_records.read_header(write(workspace.root.parent / "export.csv", "\na,b\n"), PLAIN)


def test_columns_without_a_name_are_found_by_their_place():
    by_place = PLAIN.model_copy(
        update={
            "columns": (
                SourceColumn(position=1, **{"as": "id"}),
                SourceColumn(name="b"),
                SourceColumn(position=3, ignore=True),
            )
        }
    )
    layout = csv_records.match_header(["", "b", ""], by_place, set(), set(), "export.csv")
    assert layout.names == ("id", "b", "ignored_3")


# Records that are none, and the numbers of those after them.
def faults(workspace, text: str) -> list[tuple]:
    """(number, line, rule, original) of what is kept of a file of consents, whose columns are the required ones."""
    path = write(workspace.root.parent / "consent.csv", text)
    candidate = prepare(workspace, path)
    return [
        (row["record_number"], row["line"], row["rule"], row["original"]) for row in quarantined(workspace, candidate)
    ]


HEADER = "source_record_id,source_patient_id,scope,status,effective_at"
GOOD = "a,p,research,granted,2024-01-01"


def test_too_few_and_too_many_fields_are_refused_with_number_line_and_text(workspace):
    text = f"{HEADER}\n{GOOD}\na,p\n{GOOD},more,and more\n{GOOD}\n"
    assert faults(workspace, text) == [
        (2, 3, "too_few_fields", "a,p"),
        (3, 4, "too_many_fields", f"{GOOD},more,and more"),
    ]


def test_blank_lines_are_no_records_but_count_as_lines(workspace):
    text = f"{HEADER}\n\n{GOOD}\n\n\na,p\n{GOOD}\n\nb,p\n"
    assert faults(workspace, text) == [(2, 6, "too_few_fields", "a,p"), (4, 9, "too_few_fields", "b,p")]


def test_the_line_is_the_one_in_the_file_where_fields_hold_line_breaks(workspace):
    text = f'{HEADER}\n"a\n\nb",p,research,granted,2024-01-01\nc,p,research,lost,2024-01-01\n"d\ne",p\n'
    assert faults(workspace, text) == [
        (2, 5, "status_unknown_value", "c,p,research,lost,2024-01-01"),
        (3, 6, "too_few_fields", '"d\ne",p'),
    ]


def test_breaks_inside_cells_of_a_file_with_carriage_returns_do_not_shift_the_originals(workspace):
    text = "\r".join([HEADER, '"a\nb",p,research,lost,2024-01-01', '"c\nd",p,research,lost,2024-01-01'])
    assert faults(workspace, text) == [
        (1, 2, "status_unknown_value", '"a\nb",p,research,lost,2024-01-01'),
        (2, 4, "status_unknown_value", '"c\nd",p,research,lost,2024-01-01'),
    ]


def test_a_record_with_several_faults_is_one_record(workspace):
    text = f'{HEADER}\n{GOOD}\na,"p"q,x,y,z,1,2\n{GOOD}\n'
    path = write(workspace.root.parent / "consent.csv", text)
    prepared = prepare(workspace, path).prepared
    assert (prepared.read_count, prepared.independent_count, prepared.quarantined_count) == (3, 3, 1)


def holds(workspace, text: str) -> list[str]:
    return prepare(workspace, write(workspace.root.parent / "consent.csv", text)).prepared.holds


def test_a_file_that_ends_inside_a_record_is_held(workspace):
    assert holds(workspace, f"{HEADER}\n{GOOD}\na,p,res") == [
        "the file ends inside record 2: it was probably cut off on its way"
    ]
    assert holds(workspace, f"{HEADER}\n{GOOD}\n{GOOD}") == []


def test_a_quote_that_never_closes_holds_the_file_as_other_records_may_be_inside_it(workspace):
    text = f'{HEADER}\n{GOOD}\n"a,p,research,granted,2024-01-01\n{GOOD}\n{GOOD}\n'
    (reason,) = holds(workspace, text)
    assert reason == "a quote in record 2 is not closed before the end of the file: other records may be inside it"
    assert faults(workspace, text) == [(2, 3, "broken_quotes", f'"a,p,research,granted,2024-01-01\n{GOOD}\n{GOOD}')]


def test_a_header_alone_is_no_fault(workspace):
    assert holds(workspace, HEADER + "\n") == []
    assert holds(workspace, HEADER) == []


CELLS = st.sampled_from(["x", "", '"q"', '"a,b"', '"x\ny"', '"l1\n\nl2"', '"say ""hi"""', "é", '"r\ry"'])


@examples(15, 200)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([2, 2, 2, 1, 3]), st.lists(CELLS, min_size=3, max_size=3), st.integers(0, 2)),
        max_size=8,
    ),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    is_closed=st.booleans(),
)
def test_numbers_agree_with_python_s_csv_module_whatever_was_rejected_before(workspace, rows, end, is_closed):
    lines = [end * blanks + ",".join([f"id{n}", *cells][:count]) for n, (count, cells, blanks) in enumerate(rows)]
    text = end.join(["a,b", *lines]) + end * is_closed
    oracle = [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:]
    # A comma behind the last field is no field more.
    expected = [
        (n, row[0]) for n, row in enumerate(oracle, start=1) if len(row) == 2 or (len(row) == 3 and row[2] == "")
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "export.csv", text)
        found = records(workspace, path, source("a,b"), ["a"])
    assert [(number, fields[0]) for number, fields in found] == expected


def test_both_counts_agree_on_a_file_larger_than_a_block(workspace):
    path = write(workspace.root.parent / "consent.csv", HEADER + "\n" + (GOOD + "\n") * 200_000)
    assert csv_records.count_independently(path, CANONICAL, 5) == 200_000


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a,b\n1,2\n3,4\n", 2),
        ("a,b\n1,2\n3,4", 2),
        ("a,b\r\n1,2\r\n", 1),
        ("a,b\n", 0),
        ("a,b\n1\n", 1),
        ('a,b\n1,"2\n3"\n', None),
        ("a,b\n\n1,2\n", None),
        ("a,b\r\n\r\n1,2\r\n", None),
        ("\na,b\n1,2\n", None),
        ("a,b\n1,2\n\n", None),
        ("a,b\r1,2\r", None),
    ],
)
def test_lines_count_records_only_where_nothing_but_lines_can_be_meant(tmp_path, text, count):
    path = write(tmp_path / "export.csv", text)
    scanned = reading.scan(path, CANONICAL)
    assert scanned.count_of_lines() == count
    if count is not None:
        assert csv_records.count_independently(path, CANONICAL, 2) == count


def test_a_blank_line_at_the_seam_of_two_chunks_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_CHUNK", 8)
    assert reading.scan(write(tmp_path / "x.csv", "a,b\n1,2\n\n3,4\n"), CANONICAL).count_of_lines() is None
    assert reading.scan(write(tmp_path / "y.csv", "a,b\n1,2\n3,4\n"), CANONICAL).count_of_lines() == 2


PIECES = st.sampled_from(
    ["a", "b", ",", ",", "\n", "\n", "\r", "\r\n", '"', '""', '"x,\ny"', "é", " ", ";", "x" * 50, "\ufeff", "\u2028"]
)


@examples(60, 1000)
@given(st.lists(PIECES, max_size=40))
def test_no_content_breaks_the_reader_and_no_record_is_lost_unseen(workspace, pieces):
    """Whatever stands in a file: refused as a whole, held with a reason, or every record that Python's csv module counts is there."""
    text = "a,b\n" + "".join(pieces)
    said = source("a,b")
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "export.csv", text)
        try:
            scanned = reading.scan(path, said)
            with scratch(workspace.settings, Path(folder)) as con:
                found = csv_records.CsvRecords(path, scanned, said, set(), set(), "export.csv")
                parsed = found.parse(con, Path(folder))
                (good,) = con.execute("SELECT count(*) FROM record").fetchone()
                (rejected,) = con.execute("SELECT count(*) FROM reject").fetchone()
                texts = [original for *_, original in found.originals(iter(range(1, parsed.read_count + 1)))]
        except UnreadableError:
            return
    assert good + rejected == parsed.read_count
    if parsed.doubts or parsed.read_count != parsed.independent_count:
        return
    oracle = [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:]
    assert parsed.read_count == len(oracle)
    # And what would be kept as their originals is these records, each by itself.
    assert [next(csv.reader(io.StringIO(original, newline="")), []) for original in texts] == oracle
