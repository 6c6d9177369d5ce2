"""Answers that no honest server gives, and some that honest ones do: none ends in a fault of ours, none loses a record unsaid."""

import errno
import json
import re
from pathlib import Path

import canonical
import pytest
from api_server import CLOCK, STYLES, TOKEN, VARIABLE, Api, as_records, consents, landed, landed_records
from fhir_server import FhirApi, observations
from redcap_server import VARIABLE as REDCAP_VARIABLE
from redcap_server import Redcap, people

from flows import pipeline
from flows.exports import state
from schemas.sources import SourceError

RECORDS = consents(25)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    monkeypatch.setenv(REDCAP_VARIABLE, TOKEN)


@pytest.fixture(scope="module")
def served():
    with Api(RECORDS) as found:
        yield found


@pytest.fixture
def api(served):
    """One server for all tests, as if it were new."""
    served.records, served.style, served.fault, served.clock = list(RECORDS), "next_link", None, CLOCK
    served.asked.clear()
    return served


@pytest.fixture
def pull(workspace):
    def once(name="platform", **options):
        (found,) = pipeline.pull(workspace, name, now=canonical.NOW, **options).lists
        assert "SECRET" not in found.message
        return found

    return once


def answering(body, path="/v1/consents"):
    def fault(_api, asked, reply):
        if asked.path == path and reply.status == 200:
            reply.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    return fault


HALF = b"\\ud800"  # half of a sign, which JSON can write and no request can carry
BODIES = {
    "endless-total": ("next_link", b'{"data": [], "next": null, "total": 1e999}', "no number stands at $.total"),
    "half-a-sign-in-a-link": ("next_link", b'{"data": [{"a": 1}], "next": "/v1/consents?x=' + HALF + b'"}', "no address"),
    "half-a-sign-in-a-cursor": ("cursor", b'{"data": [{"a": 1}], "meta": {"cursor": "' + HALF + b'"}}', "the cursor is no text"),
    "endless-cursor": ("cursor", b'{"data": [{"a": 1}], "meta": {"cursor": 1e999}}', "the cursor is no text"),
    "a-way-on-that-is-no-link": ("bundle", b'{"resourceType": "Bundle", "link": [{"relation": "next", "url": 5}]}', "no link"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_an_odd_answer_is_one_clear_error(workspace, api, pull, name):
    api.style, body, words = BODIES[name]
    api.fault = answering(body)
    api.source(workspace, total={"at": "$.total"} if "total" in name else None)
    found = pull()
    assert (found.exit_code, landed(workspace)) == (10, [])
    assert words in found.message


@pytest.mark.parametrize(("form", "least"), [("instant", '"0001-01-01T00:00:00Z"'), ("epoch_seconds", "-62135596800")])
def test_a_time_that_means_none_asks_for_everything_next(workspace, api, pull, form, least):
    """The least instant that a date can hold, which some systems write for none."""
    api.fault = answering(f'{{"data": [{{"at": {least}}}], "next": null}}'.encode())
    api.source(workspace, incremental={"parameter": "updated_since", "field": "$.at", "format": form})
    for _ in range(2):
        assert pull().exit_code == 0
    assert "updated_since" not in api.pages()[-1].query


def test_a_time_before_all_of_ours_is_asked_for_in_four_digits(workspace, api, pull):
    api.fault = answering(b'{"data": [{"at": "0900-02-01T00:00:00+14:00"}], "next": null}')
    api.source(workspace, incremental={"parameter": "updated_since", "field": "$.at"})
    for _ in range(2):
        assert pull().exit_code == 0
    assert api.pages()[-1].query["updated_since"] == "0900-01-31T09:50:00Z"


def test_a_time_of_export_that_is_no_instant_is_named(workspace, api, pull):
    api.fault = lambda _a, _q, reply: reply.headers.update({"X-Exported-At": "0001-01-01T00:00:00+14:00"})
    api.source(workspace, exported_at={"response": "X-Exported-At"})
    assert "states no time" in pull().message


def test_a_token_in_a_nest_without_end(workspace, api, pull, monkeypatch):
    from api_server import Reply, send

    monkeypatch.setattr(Api, "give_token", lambda _self, handler: send(handler, Reply(body=b"[" * 200_000)))
    oauth = {"kind": "oauth2", "token_address": f"{api.url}/token", "client_id": "us", "secret": VARIABLE}
    api.source(workspace, authentication=oauth)
    found = pull()
    assert (found.exit_code, "authorization server" in found.message) == (10, True)


def test_a_circle_of_two_pages_with_ever_new_marks_is_noticed(workspace, api, pull):
    api.style = "cursor"

    def fault(_api, asked, reply):
        start = asked.number % 2 * 10
        body = {
            "data": RECORDS[start : start + 10],
            "meta": {"cursor": str(asked.number) if asked.number < 40 else None},
        }
        reply.body = json.dumps(body).encode()

    api.fault = fault
    api.source(workspace)
    found = pull()
    assert (found.exit_code, "in circles" in found.message) == (10, True)
    assert len(api.pages()) < 10


def test_a_cursor_that_records_share_is_refused(workspace, api, pull):
    """The server gives what stands behind the mark: of two with the same one, the second would be skipped between two pages."""
    api.style = "cursor_record"
    api.records = [{"at": str(n // 2), **record} for n, record in enumerate(api.records)]
    api.source(workspace, paging={"kind": "cursor", "parameter": "after", "last_record": "$.at"})
    found = pull()
    assert (found.exit_code, landed(workspace)) == (10, [])
    assert "$.at" in found.message


@pytest.mark.parametrize("style", ["page", "page_not_found", "offset"])
def test_an_empty_page_in_the_middle_is_no_end(workspace, api, pull, style):
    api.style = style

    def fault(_api, asked, reply):
        if asked.number == 2:
            reply.body = json.dumps({"data": [], "meta": {}}).encode()

    api.fault = fault
    api.source(workspace)
    found = pull()
    assert (found.exit_code, found.message) == (0, "")
    assert landed_records(workspace) == as_records(RECORDS)


def test_a_page_that_is_always_empty_in_the_middle_is_one_clear_error(workspace, api, pull):
    api.style = "page"

    def fault(_api, asked, reply):
        if (asked.query.get("page"), asked.query.get("limit")) == ("2", "10"):
            reply.body = json.dumps({"data": []}).encode()

    api.fault = fault
    api.source(workspace)
    found = pull()
    assert found.exit_code == 20
    assert "move while they are read" in found.message
    assert "check_seams" in found.message


def test_a_list_that_states_its_own_time_in_each_record_is_told_of_check_seams(workspace, api, pull):
    def fault(_api, asked, reply):
        body = json.loads(reply.body)
        body["data"] = [{**record, "read_at": asked.number} for record in body["data"]]
        reply.body = json.dumps(body).encode()

    api.style, api.fault = "page", fault
    api.source(workspace)
    assert "check_seams: false" in pull().message
    api.source(workspace, paging={**STYLES["page"], "check_seams": False})
    assert pull().exit_code == 0


def test_ids_with_odd_signs_are_sent_back_as_they_are(workspace, api, pull):
    signs = ["&a=b", "+ %41", "a/b?c#d", "Zoë\n", "z\u0000", "z🦓", "zz'\"<>\\"]
    api.records = [{**RECORDS[0], "source_record_id": sign} for sign in sorted(signs)]
    api.style = "cursor_record"
    api.source(workspace, page_size={"parameter": "limit", "records": 2})
    found = pull()
    assert (found.exit_code, found.message, found.record_count) == (0, "", 7)
    assert landed_records(workspace) == as_records(api.records)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_in_mid_run_is_one_clear_error(workspace, api, pull, monkeypatch, number):
    import os

    def full(_api, asked, _reply):
        if asked.number == 2:

            def fails(_):
                raise OSError(number, os.strerror(number))

            monkeypatch.setattr("flows.exports.files.os.fsync", fails)

    api.fault = full
    api.source(workspace)
    found = pull()
    assert found.exit_code == 30
    assert os.strerror(number) in found.message
    assert "what has landed stays" in found.message
    monkeypatch.undo()
    monkeypatch.setenv(VARIABLE, TOKEN)
    api.fault, before = None, len(api.pages())
    assert pull().record_count == 25
    assert len(api.pages()) - before == 2
    assert landed_records(workspace) == as_records(RECORDS)


def test_the_mark_moves_only_when_what_it_speaks_of_is_on_the_disk(workspace, api, pull, monkeypatch):
    """In the order of a page: its bytes, its name, and only then the state that knows of it."""
    import os

    done = []
    fsync, replace = os.fsync, state.put

    def noted(descriptor):
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def placed(temporary, target, **how):
        replace(temporary, target, **how)
        done.append(f"put {target}")

    monkeypatch.setattr("flows.exports.files.os.fsync", noted)
    monkeypatch.setattr("flows.exports.pulling.put", placed)
    monkeypatch.setattr("flows.exports.state.put", placed)
    api.source(workspace)
    pull()
    landing, kept = workspace.folder("landing", "platform"), state.path_of(workspace, "platform", "consent")
    assert done[0] == f"{landing}/.pull-consent.tmp"
    assert done[1] == str(landing)
    assert re.fullmatch(rf"put {landing}/consent-[0-9a-f]{{16}}\.json", done[2])
    assert done[3] == f"put {kept}"


MANIFEST = {"transactionTime": "2025-12-31T11:58:00Z", "output": []}
MANIFESTS = {
    "time-is-a-number": json.dumps({**MANIFEST, "transactionTime": 5}).encode(),
    "output-is-a-number": json.dumps({**MANIFEST, "output": 5}).encode(),
    "deleted-is-true": json.dumps({**MANIFEST, "deleted": True}).encode(),
    "half-a-sign": b'{"transactionTime": "2025-12-31T11:58:00Z", "output": [{"url": "/files/1/' + HALF + b'"}]}',
}


@pytest.fixture(scope="module")
def clinic():
    with FhirApi(observations(12)) as found:
        yield found


@pytest.mark.parametrize("name", MANIFESTS)
def test_an_odd_manifest_is_one_clear_error(workspace, clinic, pull, name):
    clinic.asked.clear()
    clinic.jobs.clear()
    clinic.working, clinic.fault = [], answering(MANIFESTS[name], "/v1/job/1")
    clinic.bulk(workspace)
    found = pull("clinic")
    assert (found.exit_code, landed(workspace, "clinic")) == (10, [])
    assert "no manifest" in found.message or "no address" in found.message


def test_an_export_whose_server_was_ahead_hides_nothing_that_changes_until_then(workspace, clinic, pull):
    clinic.asked.clear()
    clinic.jobs.clear()
    clinic.working, clinic.fault, clinic.transaction_at = [], None, "2099-01-01T00:00:00Z"
    clinic.bulk(workspace)
    assert pull("clinic").exit_code == 0
    clinic.transaction_at = "2025-12-31T12:30:00Z"
    pull("clinic")
    (asked,) = [asked for asked in clinic.asked if "_since" in asked.query]
    # Its clock, not what it stated.
    assert asked.query["_since"] == "2025-12-31T12:00:00Z"


def test_an_export_that_was_made_anew_between_two_pulls_is_begun_anew(workspace, clinic, pull):
    """Its files are others: to go on with the second of them would leave out what the first one has now."""
    clinic.asked.clear()
    clinic.jobs.clear()
    clinic.working, clinic.transaction_at = [], "2025-12-31T11:58:00Z"
    clinic.fault = lambda _a, asked, reply: asked.path == "/files/1/10" and setattr(reply, "status", 403)
    clinic.bulk(workspace)
    assert pull("clinic").exit_code == 10
    clinic.fault, clinic.transaction_at = None, "2025-12-31T11:59:00Z"
    found = pull("clinic")
    assert (found.exit_code, found.record_count) == (0, 12)
    assert "begun anew" in found.notes[0]


def test_an_id_of_redcap_that_no_request_can_carry(workspace, pull):
    def fault(_redcap, asked, reply):
        if asked.content == "ids":
            reply.body = b'[{"study_id": "' + HALF + b'"}]'

    with Redcap(people(2), fault) as redcap:
        redcap.source(workspace)
        found = pull("study")
    assert (found.exit_code, "no request can carry" in found.message) == (10, True)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"headers": {"authorization": "Bearer x"}}, "use `authentication`"),
        ({"headers": {"X-Api-Key": "x"}}, "use `authentication`"),
        ({"parameters": {"access_token": "x"}}, "use `authentication`"),
        ({"incremental": {"parameter": "since", "overlap": "0 seconds"}}, "same instant"),
        ({"incremental": {"parameter": "since", "format": "date", "prefix": "gt"}}, "say `ge`"),
    ],
)
def test_a_description_that_would_lose_records_or_keep_a_secret_is_refused(workspace, api, said, message):
    with pytest.raises(SourceError, match=message):
        api.source(workspace, **said)
