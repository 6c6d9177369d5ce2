"""What `api:` in a source's YAML may say, and how a mistake in it is named."""

import pytest
import yaml
from canonical import write

from schemas.apis import RestApi, is_private, steps_of
from schemas.sources import SourceError, sources

API = {"address": "https://api.example.org/v1/", "paths": [{"path": "/consents", "file": "consent"}]}
SOURCE = {
    "name": "own",
    "description": "An API",
    "format": "json",
    "records": "$.data[*]",
    "files": [{"match": "consent*", "feeds": ["consent"]}],
}


@pytest.fixture
def own(workspace):
    def make(source=None, **api):
        folder = workspace.folder("sources")
        write(folder / "own.yaml", yaml.safe_dump({**SOURCE, **(source or {}), "api": {**API, **api}}))
        return sources(folder)["own"]

    return make


MISTAKES = [
    ({"address": "ftp://example.org"}, "is no address"),
    ({"address": "https://me:secret-word@example.org"}, "must not hold a name or password"),
    ({"address": "https://example.org?key=1"}, "is no address"),
    ({"address": "http://example.org"}, "use https, or say `allow_plain_http: true`"),
    ({"paths": []}, "at least 1 item"),
    ({"paths": [{"path": "consents", "file": "consent"}]}, "is not written as"),
    ({"paths": [{"path": "/consents", "file": "../consent"}]}, "is not written as"),
    ({"paths": [{"path": "/a", "file": "consent"}, {"path": "/b", "file": "consent"}]}, "two paths write files consent"),
    ({"paths": [{"path": "/a", "file": "visit"}]}, "takes no file whose name begins with visit"),
    ({"authentication": {"kind": "bearer", "secret": "secret-word"}}, "is not written as"),
    ({"authentication": {"kind": "magic"}}, "api.authentication: is of no `kind` that is known; there are: 'bearer'"),
    ({"authentication": {"kind": "oauth2", "token_address": "http://example.org/t", "client_id": "x", "secret": "ABC"}}, "plain http"),
    ({"kind": "http"}, "api: is of no `kind` that is known; there are: 'rest', 'fhir_bulk', 'redcap'"),
    ({"paging": "offset"}, "api.paging: must be `name: value` pairs"),
    ({"paging": {}}, "api.paging: does not say of which `kind` it is"),
    ({"paths": ["/consents"]}, "yaml: api.paths.0: must be `name: value` pairs$"),
    ({"paging": {"kind": "next_link", "at": "next"}}, "no path of a member"),
    ({"paging": {"kind": "cursor", "parameter": "c"}}, "a cursor stands either"),
    ({"paging": {"kind": "cursor", "parameter": "c", "at": "$.c", "header": "X-C"}}, "a cursor stands either"),
    ({"paging": {"kind": "page"}}, "seams of numbered pages are checked with `page_size`"),
    ({"paging": {"kind": "page", "end": "short", "check_seams": False}}, "only with `page_size`"),
    ({"paging": {"kind": "offset"}, "page_size": {"parameter": "n", "records": 1}}, "no seams"),
    ({"total": {"path": "/count"}}, "either `at` a place of the body or in a `header`"),
    ({"version": {"at": "$.v", "accepted": []}}, "at least 1 item"),
    ({"incremental": {"parameter": "since", "overlap": "a while"}}, "overlap"),
    ({"cron": "daily"}, "no schedule of five fields"),
    ({"colour": "red"}, "is no name that is known"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "message"), MISTAKES)
def test_a_mistake_is_named_with_its_file_and_no_secret(own, said, message):
    with pytest.raises(SourceError, match=message) as error:
        own(**said)
    assert "own.yaml" in str(error.value)
    assert "secret-word" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "said", "message"),
    [
        ({"format": "csv", "records": None}, {}, "an `api` gives JSON"),
        ({"format": "ndjson", "records": None}, {"total": {"at": "$.total"}}, "stands in a `header`"),
        (
            {"format": "ndjson", "records": None},
            {"paging": {"kind": "next_link", "at": "$.next"}},
            "stands in a `header`",
        ),
        ({"exported_at": {"response": "X: y"}}, {}, "is not written as"),
    ],
)
def test_a_mistake_of_source_and_api_together(own, source, said, message):
    with pytest.raises(SourceError, match=message):
        own(source, **said)


def test_a_header_states_the_export_only_where_there_are_responses(workspace):
    write(workspace.folder("sources") / "own.yaml", yaml.safe_dump({**SOURCE, "exported_at": {"response": "Date"}}))
    with pytest.raises(SourceError, match="is for a source with `api`"):
        sources(workspace.folder("sources"))


def test_what_is_left_out_has_its_defaults(own):
    api = own().api
    assert api.address == "https://api.example.org/v1"
    assert api.paging.kind == "link_header"
    assert (api.retries.attempts, api.timeout_seconds, api.cron) == (6, 60, None)


def test_how_a_source_is_pulled_says_nothing_about_how_its_files_read(own):
    assert own().fingerprint == own(cron="0 4 * * *").fingerprint


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:80", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org", False),
    ],
)
def test_only_this_machine_is_private_without_encryption(address, expected):
    assert is_private(address) is expected


def test_plain_http_is_taken_where_the_yaml_says_so():
    assert RestApi.model_validate({**API, "address": "http://example.org", "allow_plain_http": True}).address


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$.next", ("next",)),
        ("$.meta.total", ("meta", "total")),
        ("$['@odata.nextLink']", ("@odata.nextLink",)),
        ("$.a['b.c'].d", ("a", "b.c", "d")),
    ],
)
def test_the_way_to_a_member(path, steps):
    assert steps_of(path) == steps
