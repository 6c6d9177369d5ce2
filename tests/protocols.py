"""Each protocol that is pulled: its server with some records, how a workspace describes it, and what must have landed in the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import api_server
import redcap_server
from api_server import Api, Loopback, consents, landed
from fhir_server import FhirApi, observations
from redcap_server import Redcap, people

from flows.settings import Workspace
from schemas.sources import Source

TOKEN = api_server.TOKEN
assert redcap_server.TOKEN == TOKEN


@dataclass(frozen=True)
class Protocol:
    """`brings` says of a request whether its answer brings records; there are `answers` of those, and no two have one in common."""

    serve: Callable[[], Loopback]
    describe: Callable[..., Source]
    source_name: str
    list_name: str
    variable: str
    brings: Callable[[Any], bool]
    answers: int
    records: list[dict[str, Any]]
    # Where the records of a document stand.
    member: tuple[str, ...] = ()

    def landed_records(self, workspace: Workspace) -> list[str]:
        """Every record that has landed, each as often as there are different ones of it."""
        return sorted({text for texts in self.landed_files(workspace).values() for text in texts})

    def landed_files(self, workspace: Workspace) -> dict[str, list[str]]:
        """The records of each file that has landed, by its name."""
        found = [path for path in landed(workspace, self.source_name) if not path.name.startswith(".")]
        return {path.name: self._texts(path) for path in found}

    def wanted(self) -> list[str]:
        return sorted(map(_text, self.records))

    def _texts(self, path: Path) -> list[str]:
        if path.suffix == ".ndjson":
            return [_text(json.loads(line)) for line in path.read_text().splitlines()]
        found = json.loads(path.read_text())
        for name in self.member:
            found = found.get(name, [])
        return [_text(entry.get("resource", entry)) for entry in found]


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)


_CONSENTS, _OBSERVATIONS, _PEOPLE = consents(25), observations(25), people(7)
PROTOCOLS = {
    "rest": Protocol(
        lambda: Api(_CONSENTS),
        Api.source,
        "platform",
        "consent",
        api_server.VARIABLE,
        lambda asked: asked.path == "/v1/consents",
        3,
        _CONSENTS,
        ("data",),
    ),
    "fhir-search": Protocol(
        lambda: FhirApi(_OBSERVATIONS),
        FhirApi.clinic,
        "clinic",
        "bundle-observation",
        api_server.VARIABLE,
        lambda asked: asked.path == "/v1/Observation",
        3,
        _OBSERVATIONS,
        ("entry",),
    ),
    "fhir-bulk": Protocol(
        lambda: FhirApi(_OBSERVATIONS),
        FhirApi.bulk,
        "clinic",
        "export",
        api_server.VARIABLE,
        lambda asked: asked.path.startswith("/files/"),
        3,
        _OBSERVATIONS,
    ),
    "redcap": Protocol(
        lambda: Redcap(_PEOPLE),
        Redcap.source,
        "study",
        "records",
        redcap_server.VARIABLE,
        lambda asked: getattr(asked, "content", "") == "record",
        3,
        _PEOPLE,
    ),
}
