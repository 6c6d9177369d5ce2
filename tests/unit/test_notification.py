"""What an operator is told: the words that the automation's template makes of an event."""

import json
import uuid
from datetime import UTC, datetime

from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.utilities.user_templates import render_user_template_sync

from deployments.apply import _MESSAGE


def told(name, resource, payload, related=()):
    now = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)
    event = ReceivedEvent(
        occurred=now,
        event=name,
        resource=resource,
        related=list(related),
        payload=payload,
        id=uuid.uuid4(),
        received=now,
    )
    return json.loads(render_user_template_sync(_MESSAGE, {"event": event}))


def test_of_a_run_that_crashed_the_flow_is_named_and_its_message_is_not():
    run = {"prefect.resource.id": f"prefect.flow-run.{uuid.uuid4()}", "prefect.resource.name": "calm-otter"}
    flow = {
        "prefect.resource.id": f"prefect.flow.{uuid.uuid4()}",
        "prefect.resource.role": "flow",
        "prefect.resource.name": "report",
    }
    found = told("prefect.flow-run.Crashed", run, {"validated_state": {"message": "Jane Doe"}}, [flow])
    assert (found["flow"], found["about"], found["payload"]) == ("report", "calm-otter", {})


def test_of_a_held_file_the_source_and_the_ids_are_named():
    workspace = {"prefect.resource.id": "outcomes.workspace", "prefect.resource.name": "ws"}
    found = told("outcomes.file.held", workspace, {"source_names": ["canonical"], "file_ids": [3]})
    assert (found["flow"], found["about"]) == (None, "ws")
    assert found["payload"] == {"source_names": ["canonical"], "file_ids": [3]}
