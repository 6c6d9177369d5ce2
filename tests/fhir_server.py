"""A FHIR server on this machine's loopback: search by pages and Bulk Data, over resources that state when they changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
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
    """`beside` are resources that the last page of a search has beside those that were searched for.

    Of Bulk Data: `working` says what polls are answered with before the job is done, `per_file` how large its files are,
    `deleted` which resources are gone, `issues` how severe are the outcomes in its error file, `elsewhere` who has the files.
    """

    def __init__(self, records: list[dict[str, Any]], fault: Fault | None = None) -> None:
        super().__init__(records, "bundle", fault)
        self.beside: list[dict[str, Any]] = []
        self.working = [Reply(202, headers={"Retry-After": "0", "X-Progress": "half"})] * 2
        self.per_file, self.deleted, self.issues = 10, list[str](), list[str]()
        self.elsewhere, self.needs_token, self.has_counts = self.url, True, True
        self.transaction_at = "2025-12-31T11:58:00Z"
        self.jobs: list[list[dict[str, Any]]] = []

    def pages(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.endswith("/Observation")]

    def reply(self, asked: Asked) -> Reply:
        is_open = asked.path.startswith("/files/") and not self.needs_token
        if self.token and not is_open and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply(401, b"{}")
        if asked.path == "/v1/$export":
            return self.kick_off(asked)
        if asked.path.startswith("/v1/job/"):
            return self.poll(asked)
        if asked.path.startswith("/files/"):
            return Reply(body=self.file(asked.path), headers={"Content-Type": "application/fhir+ndjson"})
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

    def kick_off(self, asked: Asked) -> Reply:
        assert asked.headers.get("Prefer") == "respond-async"
        since = asked.query.get("_since", "")
        self.jobs.append([r for r in self.records if r["meta"]["lastUpdated"] > since])
        return Reply(202, headers={"Content-Location": f"/v1/job/{len(self.jobs)}"})

    def poll(self, asked: Asked) -> Reply:
        number = int(asked.path.rpartition("/")[2])
        polls = [a for a in self.asked if a.path == asked.path]
        if number > len(self.jobs):
            return Reply(404, b"{}")
        if len(polls) <= len(self.working):
            return replace(self.working[len(polls) - 1])
        found = self.jobs[number - 1]
        output = [
            {
                "type": "Observation",
                "url": f"{self.elsewhere}/files/{number}/{start}",
                "count": len(found[start : start + self.per_file]),
            }
            for start in range(0, len(found), self.per_file)
        ]
        manifest: dict[str, Any] = {
            "transactionTime": self.transaction_at,
            "request": f"{self.url}/v1/$export",
            "requiresAccessToken": self.needs_token,
            "output": output,
            "deleted": [{"type": "Bundle", "url": f"{self.elsewhere}/files/{number}/deleted", "count": 1}]
            if self.deleted
            else [],
            "error": [{"type": "OperationOutcome", "url": f"{self.elsewhere}/files/{number}/error"}]
            if self.issues
            else [],
        }
        if not self.has_counts:
            for entry in output:
                entry.pop("count")
        return Reply(body=json.dumps(manifest).encode())

    def file(self, path: str) -> bytes:
        _, _, number, name = path.split("/")
        if name == "deleted":
            entry = [{"request": {"method": "DELETE", "url": url}} for url in self.deleted]
            lines: list[dict[str, Any]] = [{"resourceType": "Bundle", "type": "transaction", "entry": entry}]
        elif name == "error":
            text = "SECRET-PATIENT-1 could not be read"
            lines = [
                {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "diagnostics": text}]}
                for severity in self.issues
            ]
        else:
            lines = self.jobs[int(number) - 1][int(name) : int(name) + self.per_file]
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    def clinic(self, workspace: Workspace, **said: Any) -> Source:
        """A clinic's server as a workspace would describe it: a few lines beside the bundled source."""
        api = {
            "address": f"{self.url}/v1",
            "headers": {"Accept": "application/fhir+json"},
            "paths": [{"path": "/Observation", "file": "bundle-observation", "parameters": {"category": "survey"}}],
            "paging": {"kind": "bundle"},
            "page_size": {"parameter": "_count", "records": 10},
            "incremental": {"parameter": "_lastUpdated", "prefix": "gt"},
            "total": {"at": "$.total"},
            "authentication": {"kind": "bearer", "secret": VARIABLE},
            "retries": {"first_seconds": 0.01, "attempts": 4},
            **said,
        }
        text = {"format": "json", "records": "$.entry[*].resource", "api": api}
        return self._described(workspace, text)

    def bulk(self, workspace: Workspace, **said: Any) -> Source:
        """The same server as a workspace would describe it for its Bulk Data; what is said otherwise stands under `api`."""
        api = {
            "kind": "fhir_bulk",
            "address": f"{self.url}/v1",
            "types": ["Observation"],
            "incremental": {},
            "authentication": {"kind": "bearer", "secret": VARIABLE},
            "retries": {"first_seconds": 0.01, "attempts": 4},
            **said,
        }
        return self._described(workspace, {"api": api})

    def _described(self, workspace: Workspace, said: dict[str, Any]) -> Source:
        text = {"name": "clinic", "extends": "fhir", "description": "The server of a clinic", **said}
        folder: Path = workspace.folder("sources")
        write(folder / "clinic.yaml", yaml.safe_dump(text))
        return sources(folder)["clinic"]
