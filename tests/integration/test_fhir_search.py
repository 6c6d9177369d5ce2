"""A FHIR server is pulled by its search: Bundle after Bundle, changes only, and its total holds."""

import json

import canonical
import pytest
from api_server import TOKEN, VARIABLE, landed
from fhir_server import FhirApi, observations

from flows import pipeline

RECORDS = observations(24)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


def pull(workspace, **options):
    (found,) = pipeline.pull(workspace, "clinic", now=canonical.NOW, **options).lists
    return found


def test_a_search_is_followed_to_its_last_bundle_and_becomes_records(workspace, now):
    with FhirApi(RECORDS) as api:
        api.clinic(workspace)
        found = pull(workspace)
        assert (found.exit_code, found.page_count, found.record_count, found.notes) == (0, 3, 24, [])
        assert {asked.query.get("category") for asked in api.pages() if "page" not in asked.query} == {"survey"}
        assert {asked.headers["Accept"] for asked in api.pages()} == {"application/fhir+json"}
    assert all(path.name.startswith("bundle-observation-") for path in landed(workspace, "clinic"))
    summary = pipeline.ingest(workspace, now=now)
    assert {found.status for found in summary.files} == {"admitted"}
    assert canonical.query(workspace, "SELECT count(*), min(severity) FROM history.symptom_report") == [(24, 3)]


def test_the_next_pull_asks_for_changes_only_and_finds_nothing(workspace):
    with FhirApi(RECORDS) as api:
        api.clinic(workspace)
        pull(workspace)
        count = len(landed(workspace, "clinic"))
        found = pull(workspace)
        assert (found.exit_code, found.record_count) == (0, 0)
        # By the server's clock, ten minutes earlier.
        assert api.pages()[-1].query["_lastUpdated"] == "gt2025-12-31T11:50:00Z"
        assert len(landed(workspace, "clinic")) == count
        api.records += [{**RECORDS[0], "meta": {"lastUpdated": "2025-12-31T11:59:00Z"}}]
        assert pull(workspace).record_count == 1


def test_what_stands_beside_the_matches_does_not_hide_one_that_is_missing(workspace):
    def loses_one(_api, asked, reply):
        document = json.loads(reply.body)
        if asked.query.get("page") == "10":
            document["entry"].pop()
        reply.body = json.dumps(document).encode()

    with FhirApi(RECORDS) as api:
        api.clinic(workspace)
        api.beside = [{"resourceType": "OperationOutcome", "issue": []}]
        assert pull(workspace).exit_code == 0
    with FhirApi(RECORDS, loses_one) as api:
        api.clinic(workspace)
        api.beside = [{"resourceType": "OperationOutcome", "issue": []}]
        found = pull(workspace, since=canonical.NOW.replace(year=2020))
        assert found.exit_code != 0
        assert "1 records fewer than its total says" in found.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"resourceType": "OperationOutcome", "issue": []}', "has nothing at"),
        (b"<html>Sign in</html>", "page for people"),
        (b'{"resourceType": "Bundle", "total": 0, "link": 3}', "links of the Bundle are no list"),
    ],
)
def test_what_is_no_bundle_is_not_taken(workspace, body, message):
    def other(_api, _asked, reply):
        reply.body = body

    with FhirApi(RECORDS, other) as api:
        api.clinic(workspace)
        found = pull(workspace)
    assert found.exit_code != 0
    assert message in found.message
    assert landed(workspace, "clinic") == []


def test_a_next_page_on_another_server_is_not_asked_for(workspace):
    def elsewhere(_api, _asked, reply):
        document = json.loads(reply.body)
        document["link"] = [{"relation": "next", "url": "http://127.0.0.2:9/steal?page=10"}]
        reply.body = json.dumps(document).encode()

    with FhirApi(RECORDS, elsewhere) as api:
        api.clinic(workspace)
        found = pull(workspace)
    assert found.exit_code != 0
    assert "points to another server, 127.0.0.2:9" in found.message
