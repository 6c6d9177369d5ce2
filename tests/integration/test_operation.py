"""`outcomes up` on a real server, worker and watcher: what lands is taken and reported on, with no further command."""

import json
import os
import re
import subprocess
import sys
import urllib.request
import uuid

from standing import OUTCOMES, until

from deployments.up import Up

SLOW = 150  # seconds: a bound for a test that hangs, not a measure


def told_of_held(receiver, standing):
    """What was told of held files of this workspace; other tests' workspaces use the same server."""
    name = standing.workspace.root.name
    return [told for told in receiver.told if (told["event"], told["about"]) == ("outcomes.file.held", name)]


def test_what_lands_is_taken_and_reported_on_and_a_held_file_is_no_success(standing, receiver):
    # One story on one server: a start takes longer than all that follows.
    names = [f"f{n}" for n in range(41)]
    # What other tests have begun ends first.
    until(standing.is_idle, SLOW, standing.told)
    before = {run["id"] for run in standing.runs()}
    standing.drop(names)
    until(lambda: standing.has_taken(names), SLOW, standing.told)
    until(standing.is_reported, SLOW, standing.told)
    assert {standing.taken()[name] for name in names} == {1}
    assert standing.workspace.report.is_dir()
    ingest, report = [run for run in standing.runs() if run["id"] not in before and not run["auto_scheduled"]]
    assert (ingest["name"], ingest["state_name"]) == ("ingest: 41 landed of canonical", "Completed")
    assert re.fullmatch(r"report: batch \d+, 41 files of canonical", report["name"])
    shown = {artifact["key"]: artifact for artifact in standing.ask("artifacts/latest/filter")}
    assert {"what": "files admitted", "number": "41"} in json.loads(shown["batch-canonical"]["data"])
    assert {"what": "admitted", "number": "41"} in json.loads(shown["batch-canonical"]["data"])

    # More columns than the contract knows is a warning; a status that no list knows refuses the record, and all refused hold the file.
    header = "source_record_id,source_patient_id,source_updated_at,is_deleted,scope,status,effective_at"
    bad = standing.landing / ".bad.tmp"
    bad.write_text(f"{header}\nx,secret-patient,,,aggregate_release,perhaps,2024-01-01T00:00:00Z\n")
    bad.rename(standing.landing / "consent-bad.csv")
    until(lambda: "Held" in [run["state_name"] for run in standing.runs("ingest")], SLOW, standing.told)
    until(lambda: told_of_held(receiver, standing), SLOW, lambda: receiver.told)
    (told,) = told_of_held(receiver, standing)
    ((file_id,),) = standing.published("SELECT file_id FROM ops.file WHERE status = 'held'")
    assert told["payload"] == {"source_names": ["canonical"], "file_ids": [file_id]}
    assert "secret-patient" not in json.dumps([standing.ask("events/filter", filter={}, limit=50), receiver.told])
    # Nor does a log name the file: its name may be a person's.
    logged = json.dumps(standing.ask("logs/filter", limit=200))
    assert "consent-bad.csv" not in logged + (standing.workspace.root / "logs" / "worker.log").read_text()

    # By now the report's run, too, has said all it has to say.
    until(standing.is_idle, SLOW, standing.told)
    shown = {artifact["key"]: artifact for artifact in standing.ask("artifacts/latest/filter")}
    assert str(standing.workspace.report) in shown["report"]["data"]

    # Nothing is left over: no run that waits or runs, no automation without its deployment, no slot that is taken.
    deployments = {d["id"]: d for d in standing.ask("deployments/filter")}
    assert sorted(d["name"] for d in deployments.values()) == ["ingest", "maintain", "report"]
    automations = standing.ask("automations/filter")
    assert sorted(a["name"] for a in automations) == [
        "ingest-on-landed",
        "outcomes: end runs that went silent",
        "outcomes: tell an operator",
        "report-on-admitted",
    ]
    started = [a["deployment_id"] for auto in automations for a in auto["actions"] if a["type"] == "run-deployment"]
    assert set(started) <= set(deployments)
    until(lambda: standing.taken_slots() == [], SLOW, standing.taken_slots)


def test_its_pages_ask_the_server_they_came_from(standing):
    # An absolute address would be another machine's for a browser that reached the server from elsewhere.
    with urllib.request.urlopen(f"http://127.0.0.1:{standing.port}/ui-settings") as answer:
        settings = json.load(answer)
    assert settings["api_url"] == "/api"
    # The second set of pages names another server to a browser.
    assert settings["available_uis"] == ["v1"]


def test_it_runs_once_a_workspace(standing):
    done = subprocess.run(
        [OUTCOMES, "--workspace", standing.workspace.root, "up"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "runs here already" in done.stderr


def waiting(standing):
    """The deployments of the runs that wait for a year that is far off."""
    runs = [run for run in standing.all_runs() if (run["expected_start_time"] or "") >= "2100"]
    return {run["deployment_id"] for run in runs if run["state_type"] == "SCHEDULED"}


def test_a_deployment_that_is_no_longer_wanted_goes_with_its_automation_and_runs(standing):
    (ingest,) = [d for d in standing.ask("deployments/filter") if d["name"] == "ingest"]
    # The server's scheduler may have been about to write a run of what was just deleted.
    gone = str(uuid.uuid4())
    for deployment_id in (gone, ingest["id"]):
        standing.ask(
            "flow_runs/",
            flow_id=ingest["flow_id"],
            deployment_id=deployment_id,
            work_pool_name="outcomes",
            state={"type": "SCHEDULED", "state_details": {"scheduled_time": "2100-01-01T04:00:00Z"}},
        )
    assert waiting(standing) == {gone, ingest["id"]}
    old = standing.ask("deployments/", name="old", flow_id=ingest["flow_id"], work_pool_name="outcomes")
    trigger = {"type": "event", "expect": ["x"], "posture": "Reactive", "threshold": 1, "within": 0}
    action = {"type": "run-deployment", "source": "selected", "deployment_id": old["id"]}
    orphan = {"type": "run-deployment", "source": "selected", "deployment_id": str(uuid.uuid4())}
    standing.ask("automations/", name="old-on-x", trigger=trigger, actions=[action])
    standing.ask("automations/", name="orphan", trigger=trigger, actions=[orphan])
    before = len(standing.ask("automations/filter"))
    variables = Up(standing.workspace, print).variables
    done = subprocess.run(
        [sys.executable, "-m", "deployments.apply"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ingest, maintain, report\n"
    assert sorted(d["name"] for d in standing.ask("deployments/filter")) == ["ingest", "maintain", "report"]
    assert len(standing.ask("automations/filter")) == before - 2
    assert waiting(standing) == {ingest["id"]}
