"""`outcomes up` on a real server, worker and watcher: what lands is taken and reported on, with no further command."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import uuid

import pytest
from standing import OUTCOMES, Standing, until

from deployments.up import Up

SLOW = 150  # seconds: a bound for a test that hangs, not a measure


class Receiver:
    """A web server that writes down what it is told."""

    def __init__(self) -> None:
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def receiver():
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def standing(tmp_path_factory, receiver):
    url = f"http://127.0.0.1:{receiver.server.server_address[1]}/hook"
    found = Standing(tmp_path_factory.mktemp("up") / "ws", f'notify_url = "{url}"\n')
    found.start()
    yield found
    assert found.stop() == 0
    assert re.findall(r"(\w+) +stopped", found.said()) == ["watcher", "worker", "server"]


def test_what_lands_is_taken_and_reported_on_and_a_held_file_is_no_success(standing, receiver):
    # One story on one server: a start takes longer than all that follows.
    names = [f"f{n}" for n in range(40)]
    standing.drop(names)
    until(lambda: standing.taken() == dict.fromkeys(names, 1), SLOW, standing.told)
    until(standing.is_reported, SLOW, standing.told)
    assert standing.workspace.report.is_dir()
    (run,) = [run for run in standing.runs("ingest") if "landed" in run["name"]]
    assert (run["name"], run["state_name"]) == ("ingest: 40 landed of canonical", "Completed")
    assert len(standing.runs("report")) == 1
    shown = {artifact["key"]: artifact for artifact in standing.ask("artifacts/latest/filter")}
    assert {"what": "files admitted", "number": "40"} in json.loads(shown["batch-canonical"]["data"])
    assert {"what": "admitted", "number": "40"} in json.loads(shown["batch-canonical"]["data"])
    assert str(standing.workspace.report) in shown["report"]["data"]

    # More columns than the contract knows is a warning; a status that no list knows refuses the record, and all refused hold the file.
    header = "source_record_id,source_patient_id,source_updated_at,is_deleted,scope,status,effective_at"
    bad = standing.landing / ".bad.tmp"
    bad.write_text(f"{header}\nx,secret-patient,,,aggregate_release,perhaps,2024-01-01T00:00:00Z\n")
    bad.rename(standing.landing / "consent-bad.csv")
    until(lambda: [run for run in standing.runs("ingest") if run["state_name"] == "Held"], SLOW, standing.told)
    until(lambda: receiver.told, SLOW)
    (told,) = receiver.told
    assert told["event"] == "outcomes.file.held"
    assert told["payload"] == {"source_names": ["canonical"], "file_ids": [41]}
    assert "secret-patient" not in json.dumps(standing.ask("events/filter", filter={}, limit=50))

    # Nothing is left over: no run that waits or runs, no automation without its deployment, no slot that is taken.
    until(standing.is_idle, SLOW, standing.told)
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
    assert [limit for limit in standing.ask("v2/concurrency_limits/filter") if limit["active_slots"]] == []


def test_it_runs_once_a_workspace(standing):
    done = subprocess.run(
        [OUTCOMES, "--workspace", standing.workspace.root, "up"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "runs here already" in done.stderr


def test_a_deployment_that_is_no_longer_wanted_goes_with_its_automation(standing):
    (ingest,) = [d for d in standing.ask("deployments/filter") if d["name"] == "ingest"]
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
