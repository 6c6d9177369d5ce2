"""An event's payload, the trigger that reads it and the flow that is started agree, and no event is without a consumer."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from schemas.events import EVENTS, RESOURCE

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
TRIGGERS = [(deployment, trigger) for deployment in DEPLOYMENTS for trigger in deployment.get("triggers", [])]


def parameters_of(entrypoint: str) -> set[str]:
    """The parameters of a flow, read from the source: Prefect takes seconds to import."""
    module, _, name = entrypoint.rpartition(".")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    (flow,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert any("flow" in ast.unparse(decorator) for decorator in flow.decorator_list)
    return {argument.arg for argument in flow.args.args}


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_a_deployment_gives_its_flow_what_it_takes(deployment):
    assert set(deployment["parameters"]) <= parameters_of(deployment["entrypoint"])
    assert deployment["parameters"]["workspace"] == "{{ $OUTCOMES_WORKSPACE }}"
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert deployment["schedules"], "a lost event must cost minutes only"


@pytest.mark.parametrize(("deployment", "trigger"), TRIGGERS, ids=lambda found: found["name"])
def test_a_trigger_reads_what_its_event_carries(deployment, trigger):
    (name,) = trigger["expect"]
    assert trigger["match"] == {"prefect.resource.id": RESOURCE}
    assert set(trigger["parameters"]) <= parameters_of(deployment["entrypoint"])
    read = set(re.findall(r"event\.payload\.(\w+)", str(trigger["parameters"])))

    assert read == set(EVENTS[name].model_fields)
    # Prefect names the seconds of a debounced trigger twice.
    assert trigger["schedule_after"] == f"PT{trigger['within']}S"


def test_every_event_starts_something_and_is_emitted_somewhere():
    started = {name for _, trigger in TRIGGERS for name in trigger["expect"]}
    notified = set(re.findall(r"(\w+)\.name,", (ROOT / "deployments" / "apply.py").read_text(encoding="utf-8")))
    for name, event in EVENTS.items():
        assert name in started or event.__name__ in notified, name
        code = [
            path.read_text(encoding="utf-8")
            for path in (ROOT / "flows" / "deployed.py", ROOT / "deployments" / "watcher.py")
        ]
        assert any(f"{event.__name__}(" in text for text in code), name
    assert started <= set(EVENTS)
