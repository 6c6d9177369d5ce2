"""The tracked flows on the real Prefect server of `outcomes up`."""

import os

import pytest

from deployments.local_server import QUIET
from flows.settings import create_workspace

HEADER = "source_record_id,source_patient_id,source_updated_at,is_deleted"


@pytest.fixture(scope="module")
def deployed(standing):
    """`flows.deployed`, imported under the settings of the server that stands."""
    before = dict(os.environ)
    os.environ.update(QUIET | {"PREFECT_API_URL": f"http://127.0.0.1:{standing.port}/api"})
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Heartbeats cost a second of every flow run and nothing here lives that long.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        from flows import deployed

        yield deployed
        deployed.send_rest()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def runs(request):
    """(name, state) of the flow or task runs that a test has made; whatever runs under its tag counts."""
    from prefect import tags
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter

    mine = {"tags": {"all_": [request.node.name]}}

    def found(kind):
        with get_client(sync_client=True) as client:
            if kind == "flow":
                made = client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(mine))
            else:
                made = client.read_task_runs(task_run_filter=TaskRunFilter.model_validate(mine))
        return sorted((run.name, run.state_name) for run in made)

    with tags(request.node.name):
        yield found


def consents(folder, name, count, status="granted"):
    lines = [f"{name}{n},p{n},,,aggregate_release,{status},2024-01-01T00:00:00Z" for n in range(count)]
    (folder / f"consent-{name}.csv").write_text("\n".join([f"{HEADER},scope,status,effective_at", *lines]) + "\n")


def test_an_ingest_is_one_flow_run_whose_tasks_are_the_stages(deployed, runs, tmp_path):
    workspace = create_workspace(tmp_path / "ws")
    for name in "abc":
        consents(workspace.folder("landing", "canonical"), name, 5)
    summary = deployed.take(workspace.root, reason="three files")
    assert [f.counts["admitted_count"] for f in summary.files] == [5, 5, 5]
    assert runs("flow") == [("ingest: three files", "Completed")]
    assert [
        (name.rsplit("-", 1)[0] if name[-1].isalnum() and "file" not in name else name, state)
        for name, state in runs("task")
    ] == [
        ("settle", "Completed"),
        ("take 1 file", "Completed"),
        ("take 1 file", "Completed"),
        ("take 1 file", "Completed"),
    ]


def test_a_held_file_is_named_to_the_caller_and_not_to_the_log_and_the_audit_is_linked(deployed, tmp_path, standing):
    workspace = create_workspace(tmp_path / "ws")
    consents(workspace.folder("landing", "canonical"), "good", 3)
    consents(workspace.folder("landing", "canonical"), "jane-doe", 3, status="perhaps")
    state = deployed.ingest(workspace.root, reason="one is bad", return_state=True)
    # What the engine raises, and logs, is what the state of a failed run holds.
    raised = state.result(raise_on_failure=False)
    assert state.name == "Held"
    assert str(raised) == state.message == "1 of 2 files need a decision: outcomes batch list (ids 2)"
    assert "jane-doe" not in repr(raised)
    shown = {artifact["key"]: artifact["data"] for artifact in standing.ask("artifacts/latest/filter")}
    (page,) = workspace.root.rglob("data_docs/local_site/index.html")
    assert str(page) in shown["data-docs"]

    consents(workspace.folder("landing", "canonical"), "john-doe", 3, status="unlikely")
    assert [file.status for file in deployed.take(workspace.root).files] == ["held"]


def test_a_tracked_report_is_the_plain_one(deployed, tmp_path):
    from flows import pipeline

    workspace = create_workspace(tmp_path / "ws")
    tracked = deployed.report_now(workspace.root, reason="empty")
    plain = pipeline.report(workspace, now=tracked.as_of_at)
    assert (tracked.cell_count, tracked.suppressed_count) == (plain.cell_count, plain.suppressed_count)
    assert tracked.page == plain.page


@pytest.mark.parametrize("is_taken", [True, False], ids=["answer lost", "server gone"])
@pytest.mark.parametrize(
    ("status", "becomes", "untold"),
    [
        ("granted", "admitted", "COMPLETED"),
        ("perhaps", "held", "FAILED"),
        ("granted", "admitted", "batch-canonical"),
    ],
)
def test_what_a_run_came_to_is_known_whatever_the_server_hears(
    deployed, tmp_path, monkeypatch, status, becomes, untold, is_taken
):
    import httpx
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    workspace = create_workspace(tmp_path / "ws")
    (workspace.root / "outcomes.toml").write_text("data_docs = false\n")
    consents(workspace.folder("landing", "canonical"), "x", 3, status)
    send, lost = httpx.Client.send, []

    def losing(client, request, **options):
        if untold not in request.content.decode(errors="replace") or (is_taken and lost):
            return send(client, request, **options)
        lost.append(request.url.path)
        if is_taken:
            send(client, request, **options)
            raise httpx.RemoteProtocolError("taken, and the answer is lost", request=request)
        raise httpx.ConnectError("nobody listens", request=request)

    monkeypatch.setattr(httpx.Client, "send", losing)
    # Prefect's own five attempts take a minute.
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}):
        (found,) = deployed.take(workspace.root, reason="the server does not hear all").files
    assert lost
    assert found.status == becomes


def test_what_may_heal_is_tried_again_and_a_bad_file_is_not(deployed, monkeypatch):
    from prefect import flow

    from flows.errors import TransientError, UnreadableError

    monkeypatch.setitem(deployed._OPTIONS, "retry_delay_seconds", 0)
    tried = {"transient": 0, "bad": 0}

    def transient():
        tried["transient"] += 1
        if tried["transient"] < 3:
            raise TransientError("the lock is held")

    def bad():
        tried["bad"] += 1
        raise UnreadableError("no text")

    @flow
    def both():
        deployed.TrackedRun(2).call(transient)
        with pytest.raises(UnreadableError):
            deployed.TrackedRun(2).call(bad)

    both()
    assert tried == {"transient": 3, "bad": 1}


def test_the_command_line_is_tracked_where_a_server_is_configured(deployed, runs, tmp_path, monkeypatch, capsys):
    import sys

    from flows import cli

    workspace = create_workspace(tmp_path / "ws")
    consents(tmp_path, "x", 3)
    monkeypatch.setattr(
        sys, "argv", ["outcomes", "--workspace", str(workspace.root), "ingest", str(tmp_path / "consent-x.csv")]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert len(runs("flow")) == 1
    assert "admitted" in capsys.readouterr().out
