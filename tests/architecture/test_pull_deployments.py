"""Each source with a schedule has its deployment, and only then."""

import pytest
import yaml
from test_events import DEPLOYMENTS, parameters_of

from deployments.definitions import PREFECT_FILE, definitions, names
from flows.settings import Settings
from schemas.sources import Source

LEAST = {"name": "platform", "description": "x", "format": "json", "files": [{"match": "*", "feeds": ["consent"]}]}
API = {"address": "https://example.org", "paths": [{"path": "/c", "file": "consent"}]}


def source(name="platform", **api):
    return Source.model_validate({**LEAST, "name": name, "api": {**API, **api} if api else None})


def test_without_a_schedule_there_is_nothing_but_what_the_file_says():
    unscheduled = source(headers={"X-A": "b"})
    for found in ({}, {"platform": source()}, {"platform": unscheduled}):
        assert definitions(found, Settings()) == yaml.safe_load(PREFECT_FILE.read_text())


def test_after_an_event_it_is_waited_as_long_as_the_workspace_says():
    found = definitions({}, Settings(ingest_wait_seconds=1, report_wait_seconds=300))
    waits = {
        d["name"]: [(t["within"], t["schedule_after"]) for t in d.get("triggers", [])] for d in found["deployments"]
    }
    assert waits == {"ingest": [(1, "PT1S")], "report": [(300, "PT300S")], "maintain": []}


def test_a_source_with_a_schedule_has_a_deployment_of_its_own():
    wanted = {"b": source("b", cron="15 4 * * *"), "a": source("a", cron="0 * * * *"), "c": source("c")}
    found = definitions(wanted, Settings())
    assert names(found) == {
        ("ingest", "ingest"),
        ("report", "report"),
        ("maintain", "maintain"),
        ("pull", "pull-a"),
        ("pull", "pull-b"),
    }
    assert found["deployments"][: len(DEPLOYMENTS)] == DEPLOYMENTS
    pull = found["deployments"][-1]
    assert pull["schedules"] == [{"cron": "15 4 * * *", "timezone": "UTC"}]
    assert pull["parameters"] == {"workspace": "{{ $OUTCOMES_WORKSPACE }}", "source_name": "b", "reason": "scheduled"}
    assert set(pull["parameters"]) <= parameters_of(pull["entrypoint"])
    assert pull["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert "triggers" not in pull


@pytest.mark.parametrize(
    "cron", ["* * * *", "60 * * * *", "* 24 * * *", "5-1 * * * *", "x * * * *", "*/0 * * * *", "@daily"]
)
def test_a_schedule_that_is_none_is_a_mistake_in_the_yaml(cron):
    with pytest.raises(ValueError, match="no schedule of five fields"):
        source(cron=cron)


@pytest.mark.parametrize("cron", ["*/15 * * * *", "0 4,16 * * 1-5", "5-10/2 0 1 1 7"])
def test_a_schedule_that_is_one(cron):
    assert source(cron=cron).api.cron == cron
