"""Speed and memory of `outcomes ingest` over NDJSON of FHIR resources, as a Bulk Data export has them.

Memory is flat if a tenth of the bytes needs about as much.

    python tests/benchmarks/fhir.py [--megabytes 1000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measuring import OUTCOMES, measured

SNOMED, RXNORM = "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm"
REPORTS_A_PATIENT = 100


def resources() -> Iterator[dict[str, Any]]:
    """A patient, the diagnosis, another one, two medications, answers, and reports of symptoms; then the next patient."""
    patient = 0
    while True:
        patient += 1
        subject = {"reference": f"Patient/p{patient:07}"}
        yield _resource("Patient", f"p{patient:07}", gender="female", birthDate="1970-03-02")
        for number, code in enumerate(("24700007", "44054006")):
            concept = {"coding": [{"system": SNOMED, "code": code}]}
            yield _resource("Condition", f"c{patient}-{number}", subject=subject, code=concept, onsetDateTime="2001-05")
        for number, code in enumerate(("6809", "1000000")):
            concept = {"coding": [{"system": RXNORM, "code": code}]}
            said = {"status": "active", "intent": "order", "authoredOn": "2024-03-02"}
            yield _resource(
                "MedicationRequest", f"m{patient}-{number}", subject=subject, medicationCodeableConcept=concept, **said
            )
        items = [{"linkId": f"/msrs/{n}", "answer": [{"valueInteger": n % 5}]} for n in range(1, 9)]
        said = {
            "status": "completed",
            "questionnaire": "http://example.org/Questionnaire/msrs_r",
            "authored": "2025-03-02",
        }
        yield _resource("QuestionnaireResponse", f"q{patient}", subject=subject, item=items, **said)
        for number in range(REPORTS_A_PATIENT):
            yield _resource(
                "Observation",
                f"o{patient}-{number}",
                subject=subject,
                status="final",
                code={"coding": [{"system": SNOMED, "code": "84229001", "display": "Fatigue"}], "text": "Fatigue"},
                effectiveDateTime=f"2025-{number % 12 + 1:02}-{number % 28 + 1:02}",
                valueCodeableConcept={"coding": [{"system": SNOMED, "code": "6736007", "display": "Moderate"}]},
            )


def _resource(kind: str, key: str, **said: Any) -> dict[str, Any]:
    meta = {"lastUpdated": "2025-06-01T08:30:00Z", "profile": [f"http://example.org/StructureDefinition/{kind}"]}
    narrative = {"status": "generated", "div": f"<div>{kind} {key} " + "as a person would read it " * 8 + "</div>"}
    return {"resourceType": kind, "id": key, "meta": meta, "text": narrative, **said}


def written(path: Path, most_bytes: int) -> int:
    """Write so many bytes of resources; returns how many they are."""
    count = size = 0
    with path.open("w", encoding="ascii") as file:
        for count, resource in enumerate(resources(), start=1):
            size += file.write(json.dumps(resource, separators=(",", ":")) + "\n")
            if size >= most_bytes:
                break
    return count


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=1_000)
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    print(f"{os.cpu_count()} cores, memory_limit of DuckDB 1 GB\n")
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for megabytes in (given.megabytes // 10, given.megabytes):
            workspace = Path(name) / f"ws-{megabytes}"
            measured(OUTCOMES, "init", workspace)
            (workspace / "outcomes.toml").write_text("data_docs = false\n")
            path = workspace / "landing" / "fhir" / "all.ndjson"
            path.parent.mkdir(parents=True, exist_ok=True)
            count = written(path, megabytes * 1_000_000)
            seconds, memory = measured(OUTCOMES, "--workspace", workspace, "ingest")
            print(
                f"{megabytes:6,} MB  {count:>10,} resources  {seconds:7.1f} s  {count / seconds:9,.0f} resources/s  {memory:5.2f} GB of memory",
                flush=True,
            )


if __name__ == "__main__":
    main()
