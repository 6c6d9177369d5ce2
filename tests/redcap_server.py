"""A REDCap project on this machine's loopback, of patients that never lived, and the source that maps it; it can misbehave."""

from __future__ import annotations

import csv
import http.server
import io
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from api_server import Loopback, Reply, send
from canonical import write

from flows.settings import Workspace
from flows.stages import reading
from flows.stages.prepare import open_records
from flows.stages.redcap_rows import explain
from flows.warehouse import scratch
from schemas.sources import Source, sources

TOKEN = "TOP-SECRET-TOKEN"
VARIABLE = "REDCAP_TOKEN"
CLOCK = datetime(2025, 12, 1, 12, tzinfo=UTC)
PARTS = (
    "field_name",
    "form_name",
    "field_type",
    "select_choices_or_calculations",
    "text_validation_type_or_show_slider_number",
)
HUMAN = (
    "Variable / Field Name",
    "Form Name",
    "Field Type",
    "Choices, Calculations, OR Slider Labels",
    "Text Validation Type OR Show Slider Number",
)
SYMPTOMS = "1, Muscle weakness | 2, Fatigue"
METADATA = [
    dict(zip(PARTS, row, strict=True))
    for row in [
        ("study_id", "enrolment", "text", "", ""),
        ("welcome", "enrolment", "descriptive", "", ""),
        ("sex", "enrolment", "radio", "0, Female | 1, Male", ""),
        ("has_ms", "enrolment", "yesno", "", ""),
        ("height", "enrolment", "text", "", "number_1dp_comma_decimal"),
        ("weight", "enrolment", "text", "", "number"),
        ("enrolled", "enrolment", "text", "", "date_dmy"),
        ("symptom", "symptoms", "dropdown", SYMPTOMS, ""),
        ("severity", "symptoms", "radio", "0, none | 1, mild | 2, moderate | 3, severe", ""),
        ("reported", "symptoms", "text", "", "date_mdy"),
        ("drug", "treatment", "text", "", ""),
        ("purpose", "treatment", "checkbox", SYMPTOMS, ""),
        ("started", "treatment", "text", "", "date_ymd"),
        ("device_note", "device_log", "notes", "", ""),
    ]
]
SELECTS = {
    "patient": "SELECT record_number, study_id AS source_record_id, study_id AS source_patient_id, sex__label AS sex, "
    "CASE has_ms WHEN '1' THEN 'ms' WHEN '0' THEN 'none' END AS condition_code, height AS height_cm, weight AS weight_kg, enrolled AS enrolled_on "
    "FROM raw WHERE redcap_repeat_instrument IS NULL AND contains('|' || redcap_filled || '|', '|enrolment|')",
    "symptom_report": "SELECT record_number, redcap_key AS source_record_id, study_id AS source_patient_id, symptom__label AS symptom_code, "
    "severity, reported AS reported_on FROM raw WHERE redcap_repeat_instrument = 'symptoms'",
    "treatment_episode": "SELECT record_number, redcap_key AS source_record_id, study_id AS source_patient_id, drug AS treatment_code, 'medication' AS category, "
    "started AS started_on, 'day' AS started_on_precision, 'current' AS status, purpose__labels AS purpose_codes "
    "FROM raw WHERE contains('|' || redcap_filled || '|', '|treatment|')",
}
NOT_MAPPED = {"redcap_repeat_instrument": ["device_log"], "redcap_filled": ["none"]}
SYSTEM = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance", "redcap_data_access_group")


def columns() -> list[str]:
    found = []
    for row in METADATA:
        if row["field_type"] == "checkbox":
            found += [f"{row['field_name']}___{n}" for n in (1, 2)]
        elif row["field_type"] != "descriptive":
            found.append(row["field_name"])
    return [found[0], *SYSTEM, *found[1:], *(f"{form}_complete" for form in ("enrolment", "symptoms", "treatment"))]


def row(
    study_id: str, event: str = "baseline_arm_1", form: str = "", instance: str = "", **said: str
) -> dict[str, str]:
    """A row as REDCap exports it: every column, most of them empty."""
    empty = {name: "0" if "___" in name else "" for name in columns()}
    where = {"redcap_event_name": event, "redcap_repeat_instrument": form, "redcap_repeat_instance": instance}
    return {**empty, "study_id": study_id, **where, "redcap_data_access_group": "lund", **said}


def people(count: int) -> list[dict[str, str]]:
    """Each with a base row, two symptoms, a treatment at the second event, a note of a device, and an event without anything."""
    found = []
    for n in range(1, count + 1):
        study_id = f"SECRET-PATIENT-{n}"
        found += [
            row(
                study_id,
                sex="0" if n % 2 else "1",
                has_ms="1",
                height=f"16{n % 10},5",
                weight="61.5",
                enrolled="2024-03-02",
                enrolment_complete="2",
            ),
            row(study_id, form="symptoms", instance="1", symptom="1", severity="3", reported="2024-04-05"),
            row(study_id, form="symptoms", instance="2", symptom="2", severity="0", reported="2024-05-06"),
            row(study_id, form="device_log", instance="1", device_note="SECRET-NOTE"),
            row(study_id, "follow_up_arm_1", drug="baclofen", purpose___1="1", purpose___2="1", started="2024-06-07"),
            row(study_id, "closing_arm_1", treatment_complete="0"),
        ]
    return found


def dictionary_csv(metadata: list[dict[str, str]] = METADATA, names: tuple[str, ...] = HUMAN) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([entry[part] for part in PARTS] for entry in metadata)
    return out.getvalue()


def describe(folder: Path, name: str = "study", metadata: list[dict[str, str]] = METADATA, **said: Any) -> Source:
    """The source in a workspace's `sources/`: its YAML, its SELECTs and its dictionary, and no Python."""
    text = {
        "name": name,
        "description": "A study in REDCap",
        "files": [{"match": "records*", "feeds": list(SELECTS)}],
        "dictionary": "dictionary.csv",
        "not_mapped": NOT_MAPPED,
        **said,
    }
    write(folder / f"{name}.yaml", yaml.safe_dump(text))
    write(folder / name / "dictionary.csv", dictionary_csv(metadata))
    for table, select in SELECTS.items():
        write(folder / name / f"{table}.sql", select)
    return sources(folder)[name]


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it; `number` counts those of the same content."""

    path: str
    form: dict[str, str]
    headers: dict[str, str]
    number: int

    @property
    def content(self) -> str:
        is_ids = "fields[0]" in self.form and "records[0]" not in self.form
        return "ids" if is_ids else self.form.get("content", "")


class Redcap(Loopback):
    """`fault` is told of each answer before it is sent."""

    def __init__(
        self, records: list[dict[str, str]], fault: Callable[[Redcap, Asked, Reply], None] | None = None
    ) -> None:
        self.records, self.fault, self.clock = records, fault, CLOCK
        self.metadata = [dict(entry) for entry in METADATA]
        self.asked: list[Asked] = []
        redcap, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers.get("Content-Length", 0))
                form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
                with lock:
                    asked = Asked(self.path, form, dict(self.headers), 0)
                    asked = Asked(self.path, form, dict(self.headers), len(redcap.of(asked.content)) + 1)
                    redcap.asked.append(asked)
                    reply = redcap.reply(asked)
                    if redcap.fault is not None:
                        redcap.fault(redcap, asked, reply)
                send(self, reply)

            def do_GET(self):
                redcap.asked.append(Asked(self.path, {}, dict(self.headers), 0))
                send(self, Reply(body=b"<html>REDCap</html>", headers={"Content-Type": "text/html"}))

        self.listen(Handler)

    def of(self, content: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.content == content]

    def reply(self, asked: Asked) -> Reply:
        form = asked.form
        if urlsplit(asked.path).path not in ("/api/", "/moved/"):
            return Reply(404, b'{"error": "no"}')
        if form.get("token") != TOKEN:
            return Reply(403, b'{"error": "You do not have permissions to use the API"}')
        if form.get("format") != "json":
            return Reply(400, b'{"error": "The value of the parameter \\"format\\" is not valid"}')
        if form["content"] == "metadata":
            return Reply(body=json.dumps(self.metadata).encode())
        if form["content"] == "report":
            names = ("study_id", *SYSTEM, "sex", "enrolled")
            kept = [found for found in self.records if not found["redcap_repeat_instrument"]]
            return Reply(body=json.dumps([{name: found[name] for name in names} for found in kept]).encode())
        if asked.content == "ids":
            fields = [value for name, value in form.items() if name.startswith("fields[")]
            kept = [{name: found[name] for name in (*SYSTEM[:3], *fields) if name in found} for found in self.records]
            return Reply(body=json.dumps(kept).encode())
        wanted = {value for name, value in form.items() if re.fullmatch(r"records\[\d+\]", name)}
        found = [dict(found) for found in self.records if found["study_id"] in wanted]
        if chosen := [value for name, value in form.items() if name.startswith("fields[")]:
            found = [{name: record[name] for name in (*SYSTEM, *chosen)} for record in found]
        if form.get("exportDataAccessGroups") != "true":
            for record in found:
                del record["redcap_data_access_group"]
        return Reply(body=json.dumps(found).encode())

    def source(self, workspace: Workspace, name: str = "study", metadata: Any = METADATA, **said: Any) -> Source:
        api = {
            "kind": "redcap",
            "address": f"{self.url}/api",
            "authentication": {"kind": "form", "secret": VARIABLE},
            "batch_records": 3,
            "retries": {"first_seconds": 0.01, "attempts": 4},
            **said,
        }
        return describe(workspace.folder("sources"), name, metadata, format="json", api=api)


def explained(workspace: Workspace, path: Path, source: Source) -> list[dict[str, str | None]]:
    """The records of a file as the SELECTs see them."""
    scanned, folder = reading.scan(path, source), workspace.folder("spool", "explained")
    with scratch(workspace.settings, folder) as con:
        text = reading.utf8_copy(path, scanned, folder / "text")
        open_records(text, scanned, source, source.tables_of(path.name), path.name).parse(con, folder)
        explain(con, source, source.explained, folder / "explained.parquet")
        found = con.execute("SELECT * FROM record ORDER BY record_number")
        names = [name for name, *_ in found.description]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]
