"""`outcomes pull` against a server that behaves: every way of paging, changes only, tombstones, credentials, the command line."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta

import canonical
import pytest
from api_server import CLOCK, NDJSON_STYLES, STYLES, TOKEN, VARIABLE, Api, as_records, consents, landed, landed_records
from hypothesis import example, given
from hypothesis import strategies as st
from modes import examples

from flows import cli, pipeline
from flows.errors import TransientError, UnreadableError, UsageError
from flows.exports import pulling, state
from flows.settings import create_workspace, open_workspace

RECORDS = consents(47)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


def pull(workspace, now=canonical.NOW, **options):
    """The outcome of the source's one list."""
    (found,) = pipeline.pull(workspace, "platform", now=now, **options).lists
    return found


def run(monkeypatch, capsys, workspace, *arguments):
    """Exit code and what was printed."""
    monkeypatch.setattr(sys, "argv", ["outcomes", "--workspace", str(workspace.root), *arguments])
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@pytest.mark.parametrize("style", STYLES)
def test_every_way_of_paging_gives_every_record_once_landed_unchanged(workspace, style):
    with Api(RECORDS, style) as api:
        api.source(workspace)
        found = pull(workspace)
        assert (found.exit_code, found.record_count) == (0, 47), found.message
        assert landed_records(workspace) == as_records(RECORDS)
        page = landed(workspace)[0]
        assert page.stat().st_mode & 0o777 == 0o600
        # What landed is what was sent, byte by byte.
        bodies = {api.reply(asked).body for asked in api.pages()}
        assert {path.read_bytes() for path in landed(workspace)} <= bodies


@examples(12, 200)
@given(
    style=st.sampled_from(list(STYLES)),
    count=st.integers(0, 30),
    size=st.integers(1, 12),
    cap=st.integers(1, 15),
    is_ndjson=st.booleans(),
)
@example(style="offset", count=20, size=10, cap=10, is_ndjson=False)
@example(style="offset", count=7, size=10, cap=1, is_ndjson=False)
@example(style="page", count=20, size=10, cap=7, is_ndjson=True)
def test_any_way_of_paging_and_any_page_size_give_the_same_records(
    tmp_path_factory, style, count, size, cap, is_ndjson
):
    if is_ndjson and style not in NDJSON_STYLES:
        is_ndjson = False
    paging = dict(STYLES[style])
    if size == 1 and paging["kind"] in ("page", "offset"):
        paging["check_seams"] = False
    workspace = create_workspace(tmp_path_factory.mktemp("paging") / "ws")
    with Api(consents(count), style) as api:
        # A server may give fewer than it was asked for; only who trusts short pages must not be given any before the last.
        api.cap, api.is_ndjson = size if paging.get("end") == "short" else cap, is_ndjson
        api.source(workspace, paging=paging, page_size={"parameter": "limit", "records": size})
        found = pull(workspace)
    assert (found.exit_code, found.message) == (0, "")
    assert found.record_count == count
    assert landed_records(workspace) == as_records(consents(count))


def test_the_same_pull_again_is_the_same_bytes_to_the_ledger(workspace, now):
    with Api(RECORDS) as api:
        source = api.source(workspace)
        pull(workspace)
        first = pipeline.ingest(workspace, now=now)
        assert {(f.status, f.is_new) for f in first.files} == {("admitted", True)}
        assert sum(f.counts["admitted_count"] for f in first.files) == 47
        pull(workspace)
        again = pipeline.ingest(workspace, now=now)
        assert len(again.files) == len(first.files)
        assert {(f.status, f.is_new) for f in again.files} == {("admitted", False)}
    assert source.name == "platform"


INCREMENTAL = {"parameter": "updated_since", "overlap": "10 minutes"}


def test_the_next_pull_asks_from_the_server_s_clock_minus_the_overlap(workspace):
    with Api(RECORDS) as api:
        api.source(workspace, incremental=INCREMENTAL)
        # Our clock is years ahead, and says nothing.
        assert pull(workspace, now=datetime(2035, 1, 1, tzinfo=UTC)).record_count == 47
        assert "updated_since" not in api.pages()[0].query
        asked_before = len(api.pages())
        api.clock = CLOCK + timedelta(hours=1)
        api.records = [*RECORDS, {**RECORDS[0], "status": "withdrawn", "source_updated_at": "2025-12-31T12:30:00Z"}]
        assert pull(workspace, now=datetime(2015, 1, 1, tzinfo=UTC)).record_count == 1
        assert api.pages()[asked_before].query["updated_since"] == "2025-12-31T11:50:00Z"


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("instant", "2025-06-01T00:36:00Z"),
        ("date", "2025-06-01"),
        ("epoch_seconds", "1748738160"),
        ("epoch_milliseconds", "1748738160000"),
    ],
)
def test_the_next_pull_may_ask_from_the_latest_time_of_a_record(workspace, form, sent):
    records = RECORDS
    if form.startswith("epoch"):
        unit = 1000 if form.endswith("milliseconds") else 1
        records = [{**r, "at": datetime.fromisoformat(r["source_updated_at"]).timestamp() * unit} for r in RECORDS]
    field = "$.at" if form.startswith("epoch") else "$.source_updated_at"
    with Api(records) as api:
        api.source(workspace, incremental={**INCREMENTAL, "field": field, "format": form})
        pull(workspace)
        asked_before = len(api.pages())
        pull(workspace)
        assert api.pages()[asked_before].query["updated_since"] == sent


def test_a_record_from_the_future_does_not_hide_what_changes_until_then(workspace):
    poisoned = [*RECORDS, {**RECORDS[0], "source_record_id": "z", "source_updated_at": "2099-01-01T00:00:00Z"}]
    with Api(poisoned) as api:
        api.source(workspace, incremental={**INCREMENTAL, "field": "$.source_updated_at"})
        pull(workspace)
        asked_before = len(api.pages())
        pull(workspace)
        assert api.pages()[asked_before].query["updated_since"] == "2025-12-31T11:50:00Z"


def test_a_server_whose_clock_was_ahead_is_asked_for_everything(workspace):
    with Api(RECORDS) as api:
        api.source(workspace, incremental=INCREMENTAL)
        api.clock = datetime(2099, 1, 1, tzinfo=UTC)
        pull(workspace)
        api.clock = CLOCK
        found = pull(workspace)
        assert found.record_count == 47
        assert "clock" in found.notes[0]


def test_a_server_without_a_clock_is_refused_where_it_is_needed(workspace):
    def dateless(_api, _asked, reply):
        reply.headers["Date"] = ""

    with Api(RECORDS, fault=dateless) as api:
        api.source(workspace, incremental=INCREMENTAL)
        api.server.RequestHandlerClass.date_time_string = lambda *_: ""
        found = pull(workspace)
        assert found.exit_code == UnreadableError.exit_code
        assert "header Date" in found.message


def test_a_pull_may_ask_from_a_day_that_is_named(workspace, monkeypatch, capsys):
    with Api(RECORDS) as api:
        api.source(workspace, incremental=INCREMENTAL)
        code, said = run(monkeypatch, capsys, workspace, "pull", "platform", "--from", "2025-06-01")
        assert (code, api.pages()[0].query["updated_since"]) == (0, "2025-06-01T00:00:00Z"), said
        assert "47" in said
        assert run(monkeypatch, capsys, workspace, "pull", "platform", "--from", "2999-01-01")[0] == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [("nobody", "unknown source 'nobody'"), ("canonical", "has no `api`")],
)
def test_a_source_without_an_api_is_a_mistake_of_the_caller(workspace, monkeypatch, capsys, name, message):
    code, said = run(monkeypatch, capsys, workspace, "pull", name)
    assert code == 2
    assert message in said


def test_a_secret_that_is_not_set_is_a_mistake_of_the_caller(workspace, monkeypatch, capsys):
    with Api(RECORDS) as api:
        api.source(workspace)
        monkeypatch.delenv(VARIABLE)
        code, said = run(monkeypatch, capsys, workspace, "pull", "platform")
        assert code == 2
        assert f"variable {VARIABLE}" in said
        assert api.asked == []


def test_changes_and_tombstones_come_out_as_from_files(workspace, now):
    with Api(consents(5)) as api:
        source = api.source(workspace, incremental=INCREMENTAL)
        pull(workspace)
        canonical.admit_batches(workspace, [landed(workspace)], source)
        for path in landed(workspace):
            path.unlink()
        api.records = [
            {**api.records[1], "is_deleted": "true", "source_updated_at": "2025-12-31T12:10:00Z"},
            {**api.records[2], "status": "withdrawn", "source_updated_at": "2025-12-31T12:20:00Z"},
        ]
        api.clock += timedelta(days=1)
        pull(workspace)
        canonical.admit_batches(workspace, [landed(workspace)], source)
    rows = canonical.query(
        workspace,
        "SELECT status, count(*) FROM history.consent WHERE superseded_in IS NULL AND NOT is_deleted GROUP BY ALL ORDER BY 1",
    )
    assert rows == [("granted", 3), ("withdrawn", 1)]


def test_a_list_of_deletions_of_its_own_needs_a_select_and_no_python(workspace):
    """Another way to say that a record is gone: a list of ids."""
    with Api(consents(3)) as api:
        source = api.source(workspace)
        folder = workspace.root / "sources" / "platform"
        text = (folder.with_suffix(".yaml")).read_text()
        columns = [
            "source_record_id",
            "source_patient_id",
            "source_updated_at",
            "scope",
            "status",
            "effective_at",
            "gone_at",
        ]
        folder.with_suffix(".yaml").write_text(
            text + "columns: [" + ", ".join(f"{{name: {name}}}" for name in columns) + "]\n"
        )
        canonical.write(
            folder / "consent.sql",
            "SELECT record_number, source_record_id, source_patient_id, coalesce(gone_at, source_updated_at) AS source_updated_at, "
            "gone_at IS NOT NULL AS is_deleted, scope, status, effective_at FROM raw",
        )
        source = pipeline.land.known_sources(workspace.root / "sources")["platform"]
        pull(workspace)
        gone = canonical.write(
            workspace.folder("landing", "platform") / "consent-gone.json",
            json.dumps(
                {
                    "data": [
                        {
                            "source_record_id": "c00001",
                            "source_patient_id": "SECRET-PATIENT-1",
                            "gone_at": "2025-12-31T00:00:00Z",
                        }
                    ]
                }
            ),
        )
        pages = [path for path in landed(workspace) if path != gone]
        canonical.admit_batches(workspace, [pages, [gone]], source)
    rows = canonical.query(
        workspace,
        "SELECT is_deleted, count(*) FROM history.consent WHERE superseded_in IS NULL GROUP BY ALL ORDER BY 1",
    )
    assert rows == [(False, 2), (True, 1)]


def test_the_time_of_export_is_what_a_header_states(workspace, now):
    with Api(consents(5)) as api:
        source = api.source(workspace, exported_at={"response": "X-Exported-At"})
        pull(workspace)
        (path,) = landed(workspace)
        assert path.name.startswith("consent-2025-12-31T120000Z-")
        assert source.stated_export_time(path.name) == "2025-12-31T120000Z"
        (file,) = pipeline.ingest(workspace, now=now).files
        assert file.status == "admitted"
    assert set(canonical.query(workspace, "SELECT DISTINCT exported_at FROM history.consent")) == {(CLOCK,)}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"kind": "bearer", "secret": VARIABLE}, ("Authorization", f"Bearer {TOKEN}")),
        ({"kind": "header", "name": "X-Api-Key", "secret": VARIABLE}, ("X-Api-Key", TOKEN)),
        (
            {"kind": "basic", "user": "reader", "secret": VARIABLE},
            ("Authorization", "Basic cmVhZGVyOlRPUC1TRUNSRVQtVE9LRU4="),
        ),
    ],
    ids=["bearer", "header", "basic"],
)
def test_the_secret_goes_where_the_yaml_says(workspace, said, expected):
    with Api(RECORDS) as api:
        api.token = ""
        api.source(workspace, authentication=said)
        assert pull(workspace).record_count == 47
        assert {asked.headers.get(expected[0]) for asked in api.pages()} == {expected[1]}


def test_a_token_is_asked_for_and_asked_for_anew_before_it_expires(workspace):
    with Api(RECORDS) as api:
        api.token_seconds = 0
        oauth = {
            "kind": "oauth2",
            "token_address": f"{api.url}/token",
            "client_id": "us",
            "secret": VARIABLE,
            "scope": "read",
        }
        api.source(workspace, authentication=oauth)
        assert pull(workspace).record_count == 47
        assert api.token_count == len(api.pages())


def test_several_lists_have_each_its_own_place_and_one_fault_stops_no_other(workspace):
    with Api(RECORDS) as api:
        api.source(
            workspace,
            paths=[{"path": "/nothing-here", "file": "consent_a"}, {"path": "/consents", "file": "consent_b"}],
        )
        summary = pipeline.pull(workspace, "platform", now=canonical.NOW)
        assert [(found.name, found.exit_code, found.record_count) for found in summary.lists] == [
            ("consent_a", 10, 0),
            ("consent_b", 0, 47),
        ]
        assert summary.exit_code == 10
        assert {path.name.split("-")[0] for path in landed(workspace)} == {"consent_b"}


def test_two_pulls_of_one_source_at_once_are_one_too_many(workspace):
    with Api(RECORDS) as api:
        source = api.source(workspace)
        with pulling.alone(workspace, source), pytest.raises(TransientError, match="being pulled"):
            pipeline.pull(workspace, "platform", now=canonical.NOW)


def test_an_api_that_is_said_otherwise_is_read_from_its_beginning(workspace):
    with Api(RECORDS) as api:
        api.source(workspace, incremental=INCREMENTAL)
        pull(workspace)
        api.source(workspace, incremental=INCREMENTAL, parameters={"study": "other"})
        pull(workspace)
        assert "updated_since" not in api.pages()[-1].query


def test_a_state_that_cannot_be_read_is_none(workspace):
    with Api(RECORDS) as api:
        api.source(workspace, incremental=INCREMENTAL)
        pull(workspace)
        kept = state.path_of(workspace, "platform", "consent")
        assert kept.stat().st_mode & 0o777 == 0o600
        assert "SECRET" not in kept.read_text()
        kept.write_text("{")
        assert pull(workspace).record_count == 47


def test_requests_come_no_faster_than_the_source_allows(workspace, monkeypatch):
    waited = []
    monkeypatch.setattr("flows.exports.client.Client.__init__.__defaults__", (waited.append, lambda: 1 << 62))
    with Api(RECORDS) as api:
        api.source(workspace, requests_per_minute=30)
        pull(workspace)
        assert len(waited) == len(api.pages()) - 1
        assert all(1.5 < seconds <= 2.1 * n for n, seconds in enumerate(waited, start=1))


def test_changes_need_incremental(workspace):
    with Api(RECORDS) as api:
        api.source(workspace)
        with pytest.raises(UsageError, match="as a whole each time"):
            pull(workspace, since=CLOCK)


def test_the_summary_as_json(workspace, monkeypatch, capsys):
    with Api(RECORDS) as api:
        api.source(workspace)
        code, said = run(monkeypatch, capsys, workspace, "--json", "pull", "platform")
    found = json.loads(said)
    assert (code, found["exit_code"], found["lists"][0]["record_count"]) == (0, 0, 47)
    assert os.environ[VARIABLE] not in said
    assert open_workspace(workspace.root) == workspace
