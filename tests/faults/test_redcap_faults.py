"""A REDCap server that misbehaves: the end is that of one which behaves, or one clear error and nothing lost."""

import json
from functools import partial

import pytest
from api_server import landed
from redcap_server import TOKEN, VARIABLE, Redcap, people

RECORDS = people(7)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture
def pull(pulled):
    return partial(pulled, "study")


def records_of(workspace):
    found = [row for path in landed(workspace, "study") for row in json.loads(path.read_text())]
    return {json.dumps(row, sort_keys=True) for row in found}


def every(records):
    return {json.dumps(row, sort_keys=True) for row in records}


def on(content, number, change):
    def fault(redcap, asked, reply):
        if asked.content == content and (number is None or asked.number == number):
            change(reply)

    return fault


def body(content, status=200, kind="application/json"):
    def change(reply):
        reply.status, reply.body, reply.headers["Content-Type"] = status, content, kind

    return change


def cut(reply):
    reply.cut_after = len(reply.body) // 2


@pytest.mark.parametrize("content", ["metadata", "ids", "record"])
@pytest.mark.parametrize("change", [body(b"", 503), body(b""), body(b'[{"study_id": "1"'), cut])
def test_what_heals_is_asked_for_again(workspace, pull, content, change):
    with Redcap(RECORDS, on(content, 1, change)) as redcap:
        redcap.source(workspace)
        found = pull()
        assert (found.exit_code, found.message) == (0, "")
    assert records_of(workspace) == every(RECORDS)


@pytest.mark.parametrize("content", ["metadata", "ids", "record"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (body(b'{"error": "SECRET-PATIENT-1"}', 400), "does not take the request"),
        (body(b'{"error": "You do not have permissions"}', 403), "refuses the credentials"),
        (body(b'{"error": "SECRET-PATIENT-1"}'), "answers with "),
        (body(b"<html>SECRET-PATIENT-1</html>", kind="text/html"), "page for people"),
        (body(b"\n\n<!DOCTYPE html>", kind="application/json"), "page for people"),
        (body(b""), "no JSON"),
    ],
)
def test_what_is_no_answer_is_one_error_and_lands_nothing(workspace, pull, content, change, message):
    with Redcap(RECORDS, on(content, None, change)) as redcap:
        redcap.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert message in found.message
        assert landed(workspace, "study") == []
        redcap.fault = None
        assert pull().exit_code == 0
    assert records_of(workspace) == every(RECORDS)


def test_records_that_are_left_out_without_an_error_are_an_error(workspace, pull):
    def fault(redcap, asked, reply):
        if asked.content == "record":
            kept = [row for row in json.loads(reply.body) if row["study_id"] != "SECRET-PATIENT-5"]
            reply.body = json.dumps(kept).encode()

    with Redcap(RECORDS, fault) as redcap:
        redcap.source(workspace)
        found = pull()
        assert found.exit_code == 11
        assert "1 of 3 records" in found.message
        # The batch before it has landed, the one that lacks a record has not.
        assert records_of(workspace) == every(r for r in RECORDS if r["study_id"][-1] in "123")
        redcap.fault = None
        asked_before = len(redcap.of("record"))
        assert pull().exit_code == 0
        # It went on where it had stopped.
        assert len(redcap.of("record")) == asked_before + 2
    assert records_of(workspace) == every(RECORDS)


def test_a_repeat_that_is_left_out_without_an_error_is_an_error(workspace, pull):
    def fault(redcap, asked, reply):
        if asked.content == "record":
            kept = [row for row in json.loads(reply.body) if row["redcap_repeat_instance"] != "2"]
            reply.body = json.dumps(kept).encode()

    with Redcap(RECORDS, fault) as redcap:
        redcap.source(workspace)
        found = pull()
        assert found.exit_code == 11
        assert "3 of 3 records" in found.message
        assert landed(workspace, "study") == []


def test_a_server_that_names_no_more_than_ids_is_held_to_them(workspace, pull):
    def fault(redcap, asked, reply):
        if asked.content == "ids":
            ids = {row["study_id"] for row in redcap.records}
            reply.body = json.dumps([{"study_id": name} for name in ids]).encode()

    with Redcap(RECORDS, fault) as redcap:
        redcap.source(workspace)
        assert pull().exit_code == 0
    assert records_of(workspace) == every(RECORDS)


def test_an_answer_without_any_record_is_an_error(workspace, pull):
    with Redcap(RECORDS, on("record", 2, body(b"[]"))) as redcap:
        redcap.source(workspace)
        assert pull().exit_code == 11


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("what", ["new", "gone"])
def test_a_project_that_moves_while_it_is_read_is_read_again(workspace, pull, what, number):
    end = people(8) if what == "new" else RECORDS[6:]

    def fault(redcap, asked, reply):
        if asked.content == "record" and asked.number == number:
            redcap.records = end
            reply.body = redcap.reply(asked).body

    with Redcap(RECORDS, fault) as redcap:
        redcap.source(workspace)
        found = pull()
        assert (found.exit_code, found.message) == (0, "")
    assert every(end) <= records_of(workspace) <= every(people(8))


def test_a_project_that_has_moved_between_two_pulls_is_read_from_its_beginning(workspace, pull):
    with Redcap(RECORDS, on("record", 2, body(b"[]"))) as redcap:
        redcap.source(workspace)
        assert pull().exit_code == 11
        redcap.records = people(8)
        assert pull().exit_code == 0
    assert records_of(workspace) == every(people(8))


def test_a_project_that_never_stands_still_is_put_off(workspace, pull):
    def fault(redcap, asked, reply):
        if asked.content == "ids":
            reply.body = json.dumps([{"study_id": f"{n}"} for n in range(asked.number)]).encode()
        elif asked.content == "record":
            ids = [value for name, value in asked.form.items() if name.startswith("records[")]
            reply.body = json.dumps([{**RECORDS[0], "study_id": value} for value in ids]).encode()

    with Redcap(RECORDS, fault) as redcap:
        redcap.source(workspace)
        found = pull()
        assert found.exit_code == 20
        assert "move while they are read" in found.message


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda rows: rows[2].update(select_choices_or_calculations="1, Female | 0, Male"), "sex"),
        (lambda rows: rows[4].update(text_validation_type_or_show_slider_number="number"), "height"),
        (lambda rows: rows.append({**rows[1], "field_name": "later", "field_type": "text"}), "later"),
        (lambda rows: rows.pop(5), "weight"),
        (lambda rows: rows.insert(0, rows.pop(1)), "study_id"),
    ],
)
def test_a_dictionary_that_has_changed_stops_the_pull_before_anything_lands(workspace, pull, change, names):
    with Redcap(RECORDS) as redcap:
        redcap.source(workspace)
        change(redcap.metadata)
        found = pull()
        assert found.exit_code == 10
        assert "is not the one of source 'study'" in found.message
        assert names in found.message
        assert landed(workspace, "study") == []
        assert redcap.of("record") == []


def test_what_reading_does_not_depend_on_may_change(workspace, pull):
    with Redcap(RECORDS) as redcap:
        redcap.source(workspace)
        for row in redcap.metadata:
            row |= {"field_label": "Another label", "section_header": "Another", "required_field": "y"}
            row["select_choices_or_calculations"] = row["select_choices_or_calculations"].replace(" | ", "|")
        assert pull().exit_code == 0


def test_fields_that_the_user_may_not_export_are_named(workspace, pull):
    def fault(redcap, asked, reply):
        if asked.content == "record":
            rows = json.loads(reply.body)
            for row in rows:
                del row["weight"]
            reply.body = json.dumps(rows).encode()

    with Redcap(RECORDS, fault) as redcap:
        redcap.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert "1 fields of the dictionary do not come: weight" in found.message
        assert landed(workspace, "study") == []


def test_records_of_others_are_an_error(workspace, pull):
    with Redcap(RECORDS, on("record", None, body(json.dumps(RECORDS).encode()))) as redcap:
        redcap.source(workspace)
        found = pull()
        assert found.exit_code == 10
        assert "not asked for" in found.message


def test_a_wrong_token_is_refused_by_name_of_its_place(workspace, pull, monkeypatch):
    monkeypatch.setenv(VARIABLE, "SECRET-OTHER")
    with Redcap(RECORDS) as redcap:
        redcap.source(workspace)
        found = pull()
        assert (found.exit_code, len(redcap.asked)) == (10, 1)
        assert "refuses the credentials" in found.message
