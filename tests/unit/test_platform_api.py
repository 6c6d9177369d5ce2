"""The description of the platform's export API: made of the contracts, and what is served over a cohort keeps to it."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
import pytest

from flows.cohort import write_cohort
from flows.cohort.served import Lists, Server
from schemas import platform_api
from schemas.contract import TABLES, contract
from schemas.sources import sources

DESCRIPTION = Path(platform_api.__file__).with_name("platform-api.openapi.json")


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A cohort without dirt."""
    folder = tmp_path_factory.mktemp("clean")
    write_cohort(folder, 40, dirt=False)
    return Lists(folder)


@pytest.fixture(scope="module")
def soiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soiled")
    log = write_cohort(folder, 300)
    return Lists(folder), log


def pages(lists, table, **query):
    """The pages from the first to the last."""
    found = [lists.page(table, query)]
    while found[-1]["next_cursor"] is not None:
        found.append(lists.page(table, {**query, "cursor": found[-1]["next_cursor"]}))
    return found


def records(lists, table, **query):
    return [record for page in pages(lists, table, **query) for record in page["records"]]


def faults(schema, value):
    document = platform_api.document()
    validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
    return [error.message for error in validator.iter_errors(value)]


def page_schema(table):
    operation = platform_api.document()["paths"][f"/{table}"]["get"]
    return operation["responses"]["200"]["content"]["application/json"]["schema"]


def test_the_description_in_the_repository_is_what_the_contracts_give():
    assert DESCRIPTION.read_text(encoding="utf-8") == platform_api.text(), (
        "run: python -m schemas.platform_api > schemas/platform-api.openapi.json"
    )


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_the_contract_is_described_and_no_other(table):
    described = platform_api.document()["components"]["schemas"][table]["properties"]
    assert list(described) == [column.delivered_name for column in contract(table).delivered_columns]


def test_the_source_asks_for_every_list_in_the_version_that_is_described():
    api = sources()["platform"].api
    assert [path.path for path in api.paths] == list(platform_api.document()["paths"])
    assert api.version.accepted == (platform_api.FORMAT_VERSION,)
    assert api.page_size.records == platform_api.MOST_RECORDS
    parameters = set(platform_api.document()["components"]["parameters"])
    assert {api.page_size.parameter, api.paging.parameter, api.incremental.parameter} == parameters


@pytest.mark.parametrize("table", TABLES)
def test_what_is_served_is_what_is_described(clean, table):
    for page in pages(clean, table):
        assert faults(page_schema(table), page) == []
    assert records(clean, table)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("symptom_report", {"severity": 4}),
        ("symptom_report", {"severity": "mild"}),
        ("symptom_report", {"reported_on": "2025-1-1"}),
        ("symptom_report", {"source_updated_at": None}),
        ("consent", {"status": "perhaps"}),
        ("patient", {"height": 170}),
    ],
)
def test_the_description_refuses_what_the_contract_does(clean, table, change):
    record = records(clean, table)[0]
    schema = {"$ref": f"#/components/schemas/{table}"}
    assert faults(schema, record) == []
    assert faults(schema, {**record, **change})


@pytest.mark.parametrize("limit", ["1", "7", "1000"])
def test_pages_hold_every_version_once_in_order(clean, limit):
    found = records(clean, "consent", limit=limit)
    order = [(record["source_updated_at"], record["source_record_id"]) for record in found]
    assert order == sorted(order)
    assert len(found) == len(set(order)) == clean.page("consent", {})["total"]


def test_changes_are_those_from_the_named_time_on(clean):
    everything = records(clean, "consent")
    middle = everything[len(everything) // 2]["source_updated_at"]
    page = clean.page("consent", {"updated_since": middle})
    assert page["records"] == [record for record in everything if record["source_updated_at"] >= middle]
    assert page["total"] == len(page["records"])


def test_an_exact_repeat_is_served_once_and_a_deleted_record_as_a_tombstone(soiled):
    lists, log = soiled
    table = "symptom_report"
    found = records(lists, table)
    assert len(found) == log.records[table] - log.table_counts[(table, "exact_duplicate")]
    tombstones = [record for record in found if record["is_deleted"]]
    assert tombstones
    schema = {"$ref": "#/components/schemas/tombstone"}
    for tombstone in tombstones:
        assert set(tombstone) == {"source_record_id", "source_patient_id", "source_updated_at", "is_deleted"}
        assert faults(schema, tombstone) == []


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/consent?limit=2", "right", 200),
        ("/consent", "", 401),
        ("/consent", "Bearer wrong", 401),
        ("/visit", "right", 404),
        ("/consent?limit=0", "right", 400),
        ("/consent?cursor=x", "right", 400),
        ("/consent?updated_since=yesterday", "right", 400),
        ("/consent?updated_since=2025-01-01T00:00:00", "right", 400),
    ],
)
def test_the_server_answers_with_the_status_that_is_described(clean, path, token, status):
    with Server(clean) as server:
        header = f"Bearer {server.token}" if token == "right" else token
        request = urllib.request.Request(server.url + path, headers={"Authorization": header})  # noqa: S310  our own address
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                assert (answer.status, len(json.load(answer)["records"])) == (status, 2)
        except urllib.error.HTTPError as refused:
            with refused:
                assert refused.code == status
