"""Pulls on the real Prefect server of `outcomes up`: by hand as a flow, and by the deployment that a source's YAML asks for."""

import os
import subprocess
import sys
import urllib.error

from api_server import Api, consents
from standing import TERMINAL, until
from test_flows import deployed  # noqa: F401  a fixture

from deployments.up import Up
from flows.settings import create_workspace

SLOW = 150  # seconds: a bound for a test that hangs, not a measure


def test_a_pull_by_hand_is_a_flow_run_that_fails_where_a_list_does(deployed, tmp_path):  # noqa: F811
    workspace = create_workspace(tmp_path / "ws")
    with Api(consents(25)) as api:
        api.token = ""
        paths = [{"path": "/consents", "file": "consent_a"}, {"path": "/nothing", "file": "consent_b"}]
        api.source(workspace, authentication=None, paths=paths[:1])
        state = deployed.pull(workspace.root, "platform", reason="one list", return_state=True)
        assert (state.name, state.message) == ("Completed", "25 records landed")
        api.source(workspace, authentication=None, paths=paths)
        summary = deployed.pull_now(workspace.root, "platform", reason="two lists")
        assert [found.exit_code for found in summary.lists] == [0, 10]
        state = deployed.pull(workspace.root, "platform", reason="two lists", return_state=True)
        assert state.name == "Failed"
        assert state.message.startswith("/nothing: 127.0.0.1:")


def applied(standing):
    done = subprocess.run(
        [sys.executable, "-m", "deployments.apply"],
        env={**os.environ, **Up(standing.workspace, print).variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def deployments(standing):
    return {found["name"]: found for found in standing.ask("deployments/filter")}


def is_begun(standing, deployment_id):
    """Whether the server has taken the order; under load it says that it is busy."""
    try:
        return standing.ask(f"deployments/{deployment_id}/create_flow_run", parameters={})
    except urllib.error.HTTPError as error:
        assert error.code == 503
        return None


def has_ended(standing, deployment_id):
    """Whether no run of a deployment has begun and not ended."""
    runs = [run for run in standing.all_runs() if run["deployment_id"] == deployment_id]
    return all(run["state_type"] in TERMINAL for run in runs if not run["auto_scheduled"])


def test_a_source_s_schedule_comes_and_goes_with_its_yaml_and_what_it_pulls_is_taken(standing):
    before = deployments(standing)
    with Api(consents(12)) as api:
        api.token = ""
        source = api.source(standing.workspace, "scheduled", authentication=None, cron="0 4 1 1 *")
        assert "pull-scheduled" in applied(standing)
        made = deployments(standing)
        assert set(made) - set(before) == {"pull-scheduled"}
        (schedule,) = made["pull-scheduled"]["schedules"]
        assert schedule["schedule"]["cron"] == source.api.cron
        # What the schedule does, now; nobody starts ingest but the file that lands.
        until(lambda: is_begun(standing, made["pull-scheduled"]["id"]), SLOW, standing.told)
        count = "SELECT coalesce(sum(read_count), 0) FROM ops.file WHERE source_system = 'scheduled' AND status = 'admitted'"
        until(
            lambda: standing.workspace.snapshot.exists() and standing.published(count) == [(12,)], SLOW, standing.told
        )
        until(lambda: has_ended(standing, made["pull-scheduled"]["id"]), SLOW, standing.told)
    (standing.workspace.root / "sources" / "scheduled.yaml").unlink()
    assert "pull" not in applied(standing)
    assert set(deployments(standing)) == set(before)
