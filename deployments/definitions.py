"""What a Prefect server is to know: the deployments of `prefect.yaml`, and a pull for each source of the workspace with a schedule."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flows.settings import Settings
from schemas.sources import Source

PREFECT_FILE = Path(__file__).with_name("prefect.yaml")


def definitions(sources: Mapping[str, Source], settings: Settings) -> dict[str, Any]:
    """The content of `prefect.yaml`, its waits as the workspace sets them, and the deployments `pull-<source>`.

    A pull is like `ingest`, but for what it runs and when. What has landed starts ingest as every file does that lands, so no
    event starts a pull and none ends it.
    """
    found: dict[str, Any] = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
    waits = {"ingest": settings.ingest_wait_seconds, "report": settings.report_wait_seconds}
    for deployment in found["deployments"]:
        for trigger in deployment.get("triggers", ()):
            seconds = waits[deployment["name"]]
            trigger |= {"within": seconds, "schedule_after": f"PT{seconds}S"}
    (pattern,) = [deployment for deployment in found["deployments"] if deployment["name"] == "ingest"]
    for source in sorted(sources.values(), key=lambda source: source.name):
        if source.api is None or source.api.cron is None:
            continue
        pull = copy.deepcopy({key: value for key, value in pattern.items() if key != "triggers"})
        pull["name"] = f"pull-{source.name}"
        pull["description"] = f"Pulls what has changed at the API of {source.name} into landing."
        pull["entrypoint"] = "flows.deployed.pull"
        pull["parameters"] |= {"source_name": source.name, "reason": "scheduled"}
        pull["schedules"] = [{"cron": source.api.cron, "timezone": "UTC"}]
        found["deployments"].append(pull)
    return found


def names(found: dict[str, Any]) -> set[tuple[str, str]]:
    """The deployments by their flow and their own name."""
    return {(deployment["entrypoint"].rpartition(".")[2], deployment["name"]) for deployment in found["deployments"]}
