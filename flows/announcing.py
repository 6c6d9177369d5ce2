"""Events on their way to a Prefect server: one request that is answered, so that whoever emits knows whether it arrived."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime

from schemas.events import RESOURCE, Event

_SECONDS = 10


def announce(api_url: str, workspace_name: str, event: Event) -> bool:
    """Send an event to the server at `api_url` (as PREFECT_API_URL has it); whether the server took it. Never raises for a fault of the server.

    Prefect's own `emit_event` hands over to a thread and cannot say whether the event arrived.
    """
    sent = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": event.name,
        "resource": {"prefect.resource.id": RESOURCE, "prefect.resource.name": workspace_name},
        "payload": event.model_dump(),
    }
    request = urllib.request.Request(  # noqa: S310  the address that the operator configured
        f"{api_url.rstrip('/')}/events",
        json.dumps([sent]).encode(),
        {"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return bool(200 <= answer.status < 300)
    except (urllib.error.URLError, OSError, ValueError):
        return False
