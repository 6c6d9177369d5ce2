"""JSON and NDJSON: what the reader makes of a file, and that it and a plain reader count and say the same."""

import json

import pytest
from canonical import canonical_with, prepare, quarantined, record, spooled, write
from hypothesis import given
from hypothesis import strategies as st
from modes import examples
from pydantic import ValidationError

from flows.errors import UnreadableError
from flows.settings import create_workspace
from flows.stages import reading
from flows.stages.json_records import JsonRecords
from flows.warehouse import scratch
from schemas.sources import Source

COLUMNS = [{"name": "a"}, {"name": "b", "as": "bee"}, {"name": "skip", "ignore": True}]


def source(form="ndjson", **said):
    feeds = [{"match": "*", "feeds": ["consent"]}]
    return Source.model_validate(
        {"name": "api", "description": "x", "files": feeds, "format": form, "columns": COLUMNS, **said}
    )


def read(folder, content, said):
    """(counts, rows of `raw`, rejects, originals of all) as `prepare` would get them."""
    workspace = create_workspace(folder / "ws")
    path = write(folder / "export", content)
    scanned = reading.scan(path, said)
    with scratch(workspace.settings, workspace.folder("spool", "x")) as con:
        found = JsonRecords(path, scanned, said, set(), set(), "export")
        parsed = found.parse(con, workspace.folder("spool", "x"))
        rows = con.execute("SELECT * FROM record ORDER BY record_number").fetchall()
        rejects = con.execute("SELECT ordinal, fault FROM reject ORDER BY ordinal").fetchall()
    return parsed, rows, rejects, list(found.originals(iter(range(1, parsed.read_count + 1))))


def test_members_become_text_with_the_digits_that_the_file_has(tmp_path):
    content = """
        [{"a": 1.10, "b": "1.10"},
         {"a": 12345678901234567890123456789, "b": true},
         {"a": null, "b": {"deep": [1.50, "é", null], "u": "\\u00e9\\"x"}, "skip": "gone"},
         {"b": [], "other": {"x": 1e2}, "more": "m"}]
    """
    parsed, rows, rejects, originals = read(tmp_path, content, source("json"))
    assert (parsed.read_count, parsed.independent_count, rejects) == (4, 4, [])
    assert rows == [
        (1, "1.10", "1.10", None),
        (2, "12345678901234567890123456789", "true", None),
        (3, None, '{"deep":[1.50,"é",null],"u":"é\\"x"}', None),
        (4, None, "[]", '{"other":{"x":1e2},"more":"m"}'),
    ]
    assert parsed.unknown == (4, 5)
    assert originals[3] == (4, 5, '{"b": [], "other": {"x": 1e2}, "more": "m"}')


def test_a_number_is_written_with_the_decimal_sign_of_the_source(tmp_path):
    _, rows, _, _ = read(tmp_path, '{"a": 1.5, "b": "2,5"}\n', source(decimal=","))
    assert rows == [(1, "1,5", "2,5", None)]


def test_rejects_keep_the_numbers_of_all_others(tmp_path):
    content = '{"a": 1}\n\n[]\n{"a": 1, "a": 2}\n{"a": 4}\n{"a": \n{"a": 6}\n'
    parsed, rows, rejects, originals = read(tmp_path, content, source())
    assert [(number, a) for number, a, *_ in rows] == [(1, "1"), (4, "4"), (6, "6")]
    assert rejects == [(2, "no_object"), (3, "duplicate_keys"), (5, "unreadable_record")]
    assert parsed.read_count == parsed.independent_count == 6
    assert [(number, line) for number, line, _ in originals] == [(1, 1), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)]


def test_a_faulty_record_is_kept_with_its_rule_and_its_text(workspace):
    good = [json.dumps(record("consent", f"c{n}")) for n in range(20)]
    broken = '{"source_record_id": "x", "source_record_id": "y"}'
    path = write(workspace.root.parent / "consent.ndjson", "\n".join([*good, broken, ""]))
    said = canonical_with(format="ndjson", files=[{"match": "consent*", "feeds": ["consent"]}])
    candidate = prepare(workspace, path, said)
    assert len(spooled(candidate, "consent")) == 20
    (row,) = quarantined(workspace, candidate)
    assert (row["record_number"], row["rule"], row["line"], row["original"]) == (21, "duplicate_keys", 21, broken)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"form": "csv", "records": "$[*]"}, "`records` is for JSON"),
        ({"form": "ndjson", "records": "$[*]"}, "takes no"),
        ({"form": "json", "records": "$[0]"}, "is no path"),
        ({"form": "json", "records": "$..a"}, "is no path"),
        ({"form": "json", "columns": [{"position": 1}]}, "has no `position`"),
        ({"form": "json", "columns": [{"name": "unknown_members"}]}, "names of our own"),
    ],
)
def test_what_a_source_says_of_json_is_checked(said, complaint):
    with pytest.raises(ValidationError, match=complaint):
        source(**said)


def test_a_fault_in_a_document_names_its_line_and_no_value(tmp_path):
    with pytest.raises(UnreadableError) as fault:
        read(tmp_path, '[{"a": 1},\n {"a": secret}]', source("json"))
    assert "line 2" in str(fault.value)
    assert "secret" not in str(fault.value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
NAMES = st.sampled_from(["a", "b", "skip", "other", "é", "]", '"', "\n"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4) | VALUES, max_size=12)


@examples(15, 200)
@given(RECORDS, st.booleans(), st.sampled_from([None, 1, "\t"]), st.sampled_from(["\n", "\r\n", "\n\n \n"]))
def test_both_forms_give_back_what_was_written(tmp_path_factory, objects, is_ascii, indent, end):
    """The oracle is the list that was written; the law: every element once, in its place, as an object or refused as none."""
    lines = "".join(json.dumps(o, ensure_ascii=is_ascii) + end for o in objects)
    document = json.dumps(objects, ensure_ascii=is_ascii, indent=indent)
    for form, content in (("ndjson", lines), ("json", document)):
        if not content:
            continue
        parsed, rows, rejects, originals = read(tmp_path_factory.mktemp("x"), content, source(form))
        assert parsed.read_count == parsed.independent_count == len(objects)
        assert [json.loads(text) for *_, text in originals] == objects
        assert {n for n, *_ in rows} == {n for n, o in enumerate(objects, start=1) if isinstance(o, dict)}
        assert dict(rejects) == {n: "no_object" for n, o in enumerate(objects, start=1) if not isinstance(o, dict)}
        for number, a, bee, unknown in rows:
            said = objects[number - 1]
            assert value_of(a, said.get("a")) == said.get("a")
            assert value_of(bee, said.get("b")) == said.get("b")
            others = {name: value for name, value in said.items() if name not in ("a", "b", "skip")}
            assert (json.loads(unknown) if unknown else {}) == others


def value_of(text, said):
    return text if text is None or isinstance(said, str) else json.loads(text)


@examples(60, 1000)
@given(
    st.lists(st.sampled_from(["{", "}", "[", "]", ",", ":", '"', "\\", "\n", '{"a":1}', '"a"', "1", " ", "é", "\\u", "\0"]), max_size=30)
)  # fmt: skip
def test_no_content_breaks_the_reader(tmp_path_factory, pieces):
    """Whatever the bytes: an error that is ours, or as many records as there are lines that say something."""
    content = "".join(pieces)
    for form in ("ndjson", "json"):
        try:
            parsed, rows, rejects, _ = read(tmp_path_factory.mktemp("x"), content, source(form))
        except UnreadableError:
            continue
        assert len(rows) + len(rejects) == parsed.read_count
        if form == "ndjson":
            assert parsed.read_count == sum(bool(line.strip(" \t\r")) for line in content.split("\n"))
        else:
            assert parsed.read_count == len(json.loads(content, strict=False)) == parsed.independent_count
