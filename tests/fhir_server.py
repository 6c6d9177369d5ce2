"""A FHIR server on this machine's loopback: search by pages, over resources that state when they changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from api_server import VARIABLE, Api, Asked, Fault, Reply
from canonical import write

from flows.settings import Workspace
from schemas.sources import Source, sources

SNOMED = "http://snomed.info/sct"


def observations(count: int, changed_at: str = "2025-05-01T00:00:00Z") -> list[dict[str, Any]]:
    """Fatigue of different people, severe."""
    return [
        {
            "resourceType": "Observation",
            "id": f"o{n}",
            "meta": {"lastUpdated": changed_at},
            "status": "final",
            "code": {"coding": [{"system": SNOMED, "code": "84229001"}]},
            "subject": {"reference": f"Patient/SECRET-PATIENT-{n}"},
            "effectiveDateTime": "2025-04-30",
            "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "24484000"}]},
        }
        for n in range(count)
    ]


class FhirApi(Api):
    """`beside` are resources that the last page of a search has beside those that were searched for."""

    def __init__(self, records: list[dict[str, Any]], fault: Fault | None = None) -> None:
        super().__init__(records, "bundle", fault)
        self.beside: list[dict[str, Any]] = []

    def pages(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.endswith("/Observation")]

    def reply(self, asked: Asked) -> Reply:
        if self.token and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply(401, b"{}")
        if asked.path != "/v1/Observation":
            return Reply(404, b"{}")
        since = asked.query.get("_lastUpdated", "gt").removeprefix("gt")
        found = [r for r in self.records if r["meta"]["lastUpdated"] > since]
        start, size = int(asked.query.get("page", 0)), int(asked.query["_count"])
        entry = [{"resource": r, "search": {"mode": "match"}} for r in found[start : start + size]]
        links = [{"relation": "self", "url": f"{self.url}{asked.path}"}]
        if start + size < len(found):
            links.append({"relation": "next", "url": f"{self.url}{asked.path}?_count={size}&page={start + size}"})
        else:
            entry += [{"resource": r, "search": {"mode": "include"}} for r in self.beside]
        body = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links}
        body |= {"entry": entry} if entry else {}
        return Reply(body=json.dumps(body).encode(), headers={"Content-Type": "application/fhir+json"})

    def clinic(self, workspace: Workspace) -> Source:
        """A clinic's server as a workspace would describe it: a few lines beside the bundled source."""
        text = f"""
name: clinic
extends: fhir
description: The server of a clinic
format: json
records: '$.entry[*].resource'
api:
  address: {self.url}/v1
  headers: {{Accept: application/fhir+json}}
  paths: [{{path: /Observation, file: bundle-observation, parameters: {{category: survey}}}}]
  paging: {{kind: bundle}}
  page_size: {{parameter: _count, records: 10}}
  incremental: {{parameter: _lastUpdated, prefix: gt}}
  total: {{at: $.total}}
  authentication: {{kind: bearer, secret: {VARIABLE}}}
  retries: {{first_seconds: 0.01, attempts: 4}}
"""
        folder: Path = workspace.folder("sources")
        write(folder / "clinic.yaml", text)
        return sources(folder)["clinic"]
