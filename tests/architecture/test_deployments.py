"""The compose file and the unit run what `outcomes up` runs, under the same settings: neither can be run here."""

from pathlib import Path

import pytest
import yaml

from deployments.local_server import POOL, QUIET, STANDING
from deployments.up import Up

ROOT = Path(__file__).parents[2] / "deployments"
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
OURS = sorted(set(SERVICES) - {"database"})


@pytest.mark.parametrize("name", OURS)
def test_a_container_has_the_settings_of_a_standing_installation(name):
    given = SERVICES[name]["environment"]
    assert (QUIET | STANDING).items() <= given.items()
    if name != "server":
        assert given["PREFECT_API_URL"] == "http://server:4200/api"


def test_containers_run_the_commands_of_a_standing_installation(workspace):
    up = Up(workspace, print)
    assert SERVICES["server"]["entrypoint"] == ["python", *up._server.command[1:3]]
    for part in (up._worker, up._watcher):
        service = SERVICES[part.name]
        first = ["sh", "-c", 'python -m deployments.runs; exec "$$@"', "sh"] if part is up._worker else []
        assert [*service["entrypoint"], *service["command"]] == [*first, "python", *part.command[1:]]
    assert POOL in SERVICES["worker"]["command"]


def test_only_this_machine_reaches_the_server():
    assert [port for service in SERVICES.values() for port in service.get("ports", [])] == ["127.0.0.1:4200:4200"]


def test_what_a_container_needs_of_the_database_is_asked_for_by_name():
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert "POSTGRES_PASSWORD:?" in text
    assert not [line for line in text.splitlines() if "PASSWORD:" in line and "${POSTGRES_PASSWORD:?}" not in line]


def test_the_unit_runs_outcomes_up():
    text = (ROOT / "systemd" / "patient-outcomes.service").read_text(encoding="utf-8")
    assert "ExecStart=/opt/patient-outcomes/.venv/bin/outcomes up\n" in text
    assert "UMask=0077\n" in text


def test_every_volume_of_a_container_lies_where_the_image_has_a_folder_of_its_user():
    # A volume that is mounted where the image has nothing belongs to root, and nothing could be written there.
    made = (ROOT / "Containerfile").read_text(encoding="utf-8").partition("install -d -o outcomes -m 700 ")[2]
    folders = made.splitlines()[0].split()
    mounted = [volume.split(":")[1] for name in OURS for volume in SERVICES[name]["volumes"]]
    assert set(mounted) <= set(folders)
