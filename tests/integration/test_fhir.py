"""FHIR R4 resources become records by what they say themselves: each rule by one small resource, then real exports."""

import json

import canonical
import pytest

from flows import pipeline
from flows.settings import create_workspace, open_workspace
from flows.warehouse import snapshot
from schemas.contract import contract
from schemas.sources import sources

FHIR = sources()["fhir"]
TABLES = ("patient", "symptom_report", "treatment_episode", "outcome_assessment")
OUT_OF_SCOPE = "out of scope"
SNOMED, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
MS = {"coding": [{"system": SNOMED, "code": "24700007"}]}
FATIGUE = {"coding": [{"system": SNOMED, "code": "84229001"}]}
SEVERE = {"coding": [{"system": SNOMED, "code": "24484000"}]}
METFORMIN = {"coding": [{"system": RXNORM, "code": "6809"}]}


def resource(kind, **said):
    least = {"resourceType": kind, "id": "r1", "meta": {"lastUpdated": "2025-05-01T00:00:00Z"}}
    if kind != "Patient":
        least["subject"] = {"reference": "Patient/p1"}
    return {**least, **said}


def observation(**said):
    least = {"status": "final", "code": FATIGUE, "effectiveDateTime": "2025-04-30", "valueCodeableConcept": SEVERE}
    return resource("Observation", **{**least, **said})


def statement(**said):
    return resource(
        "MedicationStatement", **{"status": "active", "medicationCodeableConcept": METFORMIN, "dosage": [], **said}
    )


def request(**said):
    least = {"status": "active", "intent": "order", "medicationCodeableConcept": METFORMIN, "authoredOn": "2024-03-02"}
    return resource("MedicationRequest", **{**least, **said})


def response(answers, questionnaire="http://example.org/Questionnaire/msrs_r", **said):
    items = [{"linkId": link, "answer": [answer] if answer else []} for link, answer in answers]
    return resource(
        "QuestionnaireResponse",
        **{
            "status": "completed",
            "questionnaire": questionnaire,
            "authored": "2025-04-30T10:00:00+02:00",
            "item": items,
            **said,
        },
    )


def dosed(quantity, **timing):
    return [{"timing": {"repeat": timing}, "doseAndRate": [{"doseQuantity": quantity}]}]


def weighted(value):
    extension = {"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": value}
    return {"valueCoding": {"code": "LA-x", "extension": [extension]}}


EIGHT = [(str(n), {"valueInteger": n % 5}) for n in range(1, 9)]
# What a resource becomes: (table, columns), OUT_OF_SCOPE, or a piece of the message by which it is refused.
CASES = {
    "a person": (
        resource("Patient", gender="female", birthDate="1970-03-02", address=[{"country": "DE"}]),
        ("patient", {"birth_year": 1970, "sex": "female", "country_code": "DE", "is_deleted": False}),
    ),
    "of a birth date the year is enough": (resource("Patient", birthDate="1970"), ("patient", {"birth_year": 1970})),
    "a diagnosis of MS": (
        resource("Condition", code=MS, onsetDateTime="1998", recordedDate="2001-05-03"),
        ("patient", {"condition_code": "ms", "symptom_onset_year": 1998, "diagnosis_year": None, "ms_course": None}),
    ),
    "the course that a coding beside others states": (
        resource("Condition", code={"coding": [*MS["coding"], {"system": SNOMED, "code": "425500002"}]}),
        ("patient", {"condition_code": "ms", "ms_course": "spms"}),
    ),
    "an onset in words is no year": (
        resource("Condition", code=MS, onsetString="as a child"),
        ("patient", {"condition_code": "ms", "symptom_onset_year": None}),
    ),
    "another condition": (
        resource("Condition", code={"coding": [{"system": SNOMED, "code": "44054006"}], "text": "Diabetes"}),
        OUT_OF_SCOPE,
    ),
    "a diagnosis that was refuted": (
        resource("Condition", code=MS, verificationStatus={"coding": [{"code": "refuted"}]}),
        ("patient", {"is_deleted": True}),
    ),
    "a symptom and how severe it is": (
        observation(),
        (
            "symptom_report",
            {"symptom_code": "fatigue", "severity": 3, "reported_on": "2025-04-30", "is_deleted": False},
        ),
    ),
    "a code that no list has beside one that it has": (
        observation(code={"coding": [{"system": "http://clinic.example", "code": "F1"}, *FATIGUE["coding"]]}),
        ("symptom_report", {"symptom_code": "fatigue"}),
    ),
    "a symptom by its words only": (
        observation(code={"text": "Muscle weakness"}, valueCodeableConcept={"text": "Moderate"}),
        ("symptom_report", {"symptom_code": "muscle_weakness", "severity": 2}),
    ),
    "codings that mean two symptoms": (
        observation(code={"coding": [*FATIGUE["coding"], {"system": SNOMED, "code": "57676002"}]}),
        "http://snomed.info/sct|84229001, http://snomed.info/sct|57676002",
    ),
    "a symptom of unknown code": (
        observation(code={"coding": [{"system": SNOMED, "code": "271681002"}]}),
        "http://snomed.info/sct|271681002",
    ),
    "words without a code are not repeated": (
        observation(code={"text": "SECRET of p1"}),
        "words without a code",
    ),
    "a measurement": (
        observation(code={"coding": [{"system": LOINC, "code": "8867-4"}]}, valueCodeableConcept=None),
        OUT_OF_SCOPE,
    ),
    "a number is no severity, as its scale is not known": (
        observation(valueCodeableConcept=None, valueInteger=2),
        "severity",
    ),
    "a symptom of nobody": (observation(subject={"reference": "Group/g1"}), "source_patient_id"),
    "a symptom that was entered in error": (
        observation(status="entered-in-error"),
        ("symptom_report", {"is_deleted": True}),
    ),
    "a symptom that is preliminary": (observation(status="preliminary"), ("symptom_report", {"is_deleted": True})),
    "a day that is known to the month": (
        observation(effectiveDateTime="2025-04"),
        "reported_on",
    ),
    "a score by its LOINC code": (
        observation(
            code={"coding": [{"system": LOINC, "code": "71959-1"}]},
            valueCodeableConcept=None,
            valueQuantity={"value": 41.5},
        ),
        (
            "outcome_assessment",
            {"instrument_code": "promis_physical_function", "source_score": 41.5, "assessed_on": "2025-04-30"},
        ),
    ),
    "pain from 0 to 10 is a score, not a severity from 0 to 3": (
        observation(code={"coding": [{"system": LOINC, "code": "72514-3"}]}, valueCodeableConcept=None, valueInteger=7),
        ("outcome_assessment", {"instrument_code": "pain_nrs", "source_score": 7.0}),
    ),
    "a score of a survey that no list has": (
        observation(
            code={"coding": [{"system": LOINC, "code": "44261-6"}]},
            category=[{"coding": [{"code": "survey"}]}],
            valueCodeableConcept=None,
            valueInteger=7,
        ),
        "http://loinc.org|44261-6",
    ),
    "a treatment that somebody takes": (
        statement(
            effectivePeriod={"start": "2023-02"},
            dosage=dosed({"value": 500, "code": "mg"}, frequency=2, period=1, periodUnit="d"),
        ),
        (
            "treatment_episode",
            {
                "treatment_code": "metformin",
                "started_on": "2023-02-01",
                "started_on_precision": "month",
                "status": "current",
                "dose_amount": 1000.0,
                "dose_unit": "mg",
                "dose_period": "day",
            },
        ),
    ),
    "a start of which the year is known": (
        statement(effectivePeriod={"start": "2023"}),
        ("treatment_episode", {"started_on": "2023-01-01", "started_on_precision": "year"}),
    ),
    "a dose every eight hours is not made one of a day": (
        statement(dosage=dosed({"value": 5, "code": "mg"}, frequency=1, period=8, periodUnit="h")),
        ("treatment_episode", {"dose_amount": None, "dose_unit": None, "dose_period": None}),
    ),
    "a treatment against a symptom": (
        statement(reasonCode=[FATIGUE]),
        ("treatment_episode", {"purpose_codes": ["fatigue"]}),
    ),
    "a treatment that ended": (
        statement(status="completed", effectivePeriod={"start": "2020-01-05", "end": "2021-06-07"}),
        ("treatment_episode", {"status": "stopped", "started_on": "2020-01-05", "stopped_on": "2021-06-07"}),
    ),
    "a treatment entered in error": (
        statement(status="entered-in-error", medicationCodeableConcept=None),
        ("treatment_episode", {"is_deleted": True}),
    ),
    "a treatment not taken": (statement(status="not-taken"), ("treatment_episode", {"is_deleted": True})),
    "an order": (
        request(),
        (
            "treatment_episode",
            {"treatment_code": "metformin", "started_on": "2024-03-02", "prescribed_by": "clinician"},
        ),
    ),
    "a plan is no order": (request(intent="plan"), ("treatment_episode", {"is_deleted": True})),
    "an order not to take": (request(doNotPerform=True), ("treatment_episode", {"is_deleted": True})),
    "a medicine by its ingredient, as RxNorm writes it": (
        request(
            medicationCodeableConcept={
                "coding": [{"system": RXNORM, "code": "860975"}],
                "text": "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet",
            }
        ),
        ("treatment_episode", {"treatment_code": "metformin"}),
    ),
    "a medicine of two ingredients is neither of them": (
        request(
            medicationCodeableConcept={
                "coding": [{"system": RXNORM, "code": "861004"}],
                "text": "Metformin hydrochloride 500 MG / pioglitazone 15 MG Oral Tablet",
            }
        ),
        f"{RXNORM}|861004",
    ),
    "a medication inside the resource": (
        request(
            medicationCodeableConcept=None,
            medicationReference={"reference": "#m"},
            contained=[{"resourceType": "Medication", "id": "m", "code": METFORMIN}],
        ),
        ("treatment_episode", {"treatment_code": "metformin"}),
    ),
    "a medication elsewhere": (
        request(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"}),
        "a Medication that is not in the record",
    ),
    "answers to an instrument": (
        response(EIGHT),
        (
            "outcome_assessment",
            {"instrument_code": "msrs_r", "item_responses": [1, 2, 3, 4, 0, 1, 2, 3], "assessed_on": "2025-04-30"},
        ),
    ),
    "answers out of order, with one left out, stand where their number says": (
        response([("/m/3", {"valueInteger": 2}), ("/m/1", {"valueInteger": 1})]),
        ("outcome_assessment", {"item_responses": [1, None, 2, None, None, None, None, None]}),
    ),
    "answers as weights of codings": (
        response([(link, weighted(1)) for link, _ in EIGHT]),
        ("outcome_assessment", {"item_responses": [1] * 8}),
    ),
    "an answer in words": (response([*EIGHT[:7], ("8", {"valueString": "SECRET"})]), "item_responses"),
    "answers of which none says where it belongs": (response([("a", {"valueInteger": 1})]), "item_responses"),
    "a questionnaire with a version": (
        response(EIGHT, "http://example.org/Questionnaire/msrs_r|v1"),
        ("outcome_assessment", {"instrument_code": "msrs_r", "instrument_version": "v1"}),
    ),
    "answers that were entered in error": (
        response(EIGHT, status="entered-in-error"),
        ("outcome_assessment", {"is_deleted": True}),
    ),
    "answers that are not finished": (
        response(EIGHT, status="in-progress"),
        ("outcome_assessment", {"is_deleted": True}),
    ),
    "an unknown questionnaire": (
        response(EIGHT, "http://example.org/Questionnaire/mood-of-the-day"),
        "http://example.org/Questionnaire/mood-of-the-day",
    ),
    "deletions of an export": (
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "DELETE", "url": "MedicationRequest/r1"}}],
        },
        ("treatment_episode", {"is_deleted": True}),
    ),
    "deletions of what no table is for": (
        {"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE", "url": "Encounter/r1"}}]},
        OUT_OF_SCOPE,
    ),
    "a search result that is taken for one resource": (
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient", "id": "p1"}}]},
        "whose file must be named bundle*.json",
    ),
    "an outcome of an operation": (resource("OperationOutcome", issue=[]), OUT_OF_SCOPE),
    "a type that no table is for": (resource("Encounter", status="finished"), OUT_OF_SCOPE),
}


def ndjson(folder, resources, name="all.ndjson"):
    lines = ({k: v for k, v in r.items() if v is not None} for r in resources)
    return canonical.write(folder / name, "".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """All cases as one file: number of a record -> its rows and its faults."""
    folder = tmp_path_factory.mktemp("fhir")
    workspace = create_workspace(folder / "ws")
    given = [dict(r, id=f"{r.get('id', 'b')}-{n}") for n, (r, _) in enumerate(CASES.values())]
    candidate = canonical.prepare(workspace, ndjson(folder, given), FHIR)
    rows = {table: canonical.spooled(candidate, table) for table in TABLES}
    return candidate.prepared, rows, canonical.quarantined(workspace, candidate)


@pytest.mark.parametrize("case", CASES)
def test_a_resource_is_read_by_its_rule(prepared, case):
    number, (_, expected) = list(CASES).index(case) + 1, CASES[case]
    _, rows, faults = prepared
    found = {t: [r for r in rows[t] if r["record_number"] == number] for t in TABLES}
    said = [fault["message"] for fault in faults if fault["record_number"] == number]
    if expected == OUT_OF_SCOPE:
        assert (sum(map(len, found.values())), said) == (0, [])
    elif isinstance(expected, str):
        assert sum(map(len, found.values())) == 0
        assert [message for message in said if expected in message], said
        assert "SECRET" not in " ".join(said)
    else:
        table, columns = expected
        assert said == []
        (row,) = found[table]
        assert {name: str(v) if name.endswith("_on") else v for name, v in row.items() if name in columns} == columns
        if not row["is_deleted"]:
            assert sum(map(len, found.values())) == 1
            assert str(row["source_updated_at"]) == "2025-05-01 00:00:00+00:00"


def test_every_resource_is_accounted_for(prepared):
    found, rows, _ = prepared
    out_of_scope = [case for case, (_, expected) in CASES.items() if expected == OUT_OF_SCOPE]
    refused = [case for case, (_, e) in CASES.items() if isinstance(e, str) and e != OUT_OF_SCOPE]
    fed = {row["record_number"] for table in TABLES for row in rows[table]}
    assert (found.read_count, found.out_of_scope_count, found.quarantined_count) == (
        len(CASES),
        len(out_of_scope),
        len(refused),
    )
    assert found.read_count == len(fed) + found.out_of_scope_count + found.quarantined_count


def in_forms(folder):
    """The same two resources in each form of file."""
    pair = [observation(id="o1"), statement(id="s1")]
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": 2, "entry": [{"resource": r} for r in pair]}
    return {
        "lines": [ndjson(folder, pair, "Observation.000.ndjson")],
        "search": [canonical.write(folder / "bundle-1.json", json.dumps(bundle, indent=1))],
        "single": [canonical.write(folder / f"{r['id']}.json", json.dumps(r, indent=1)) for r in pair],
    }


def test_lines_a_search_result_and_single_resources_say_the_same(tmp_path):
    workspace, found = create_workspace(tmp_path / "ws"), {}
    for form, paths in in_forms(tmp_path).items():
        candidates = [canonical.prepare(workspace, path, FHIR) for path in paths]
        for one in candidates:
            assert (one.prepared.holds, one.prepared.read_count) == ([], one.prepared.independent_count)
        rows = [
            {**row, "record_number": 0} for c in candidates for table in TABLES for row in canonical.spooled(c, table)
        ]
        found[form] = sorted(map(repr, rows))
    assert len(found["lines"]) == 2
    assert found["search"] == found["lines"]
    assert found["single"] == found["lines"]


def test_a_search_result_under_the_wrong_name_is_refused_and_read_once_it_has_the_right_one(workspace, now):
    folder = workspace.folder("landing", "fhir")
    text = json.dumps({"resourceType": "Bundle", "entry": [{"resource": observation(id="o1")}]})
    for name, status, admitted in [("result.json", "admitted", 0), ("bundle-result.json", "admitted", 1)]:
        canonical.write(folder / name, text)
        (found,) = pipeline.ingest(workspace, now=now).files
        assert (found.status, found.is_new, found.counts["admitted_count"]) == (status, True, admitted)


def test_a_person_and_the_diagnosis_are_put_together_and_an_error_takes_it_away(tmp_path):
    workspace = create_workspace(tmp_path / "ws")
    person = resource("Patient", id="p1", birthDate="1970", gender="male")
    diagnosis = resource("Condition", id="c1", code={"coding": [{"system": SNOMED, "code": "425500002"}]})
    first = ndjson(tmp_path, [person, diagnosis, observation(id="o1")], "1.ndjson")
    canonical.admit_batches(workspace, [[first]], FHIR)
    asked = "SELECT birth_year, sex, condition_code, ms_course FROM core.patient"
    assert canonical.query(workspace, asked) == [(1970, "male", "ms", "spms")]
    assert canonical.query(workspace, "SELECT count(*) FROM core.symptom_report") == [(1,)]
    later = {"meta": {"lastUpdated": "2025-06-01T00:00:00Z"}}
    error = {"coding": [{"code": "entered-in-error"}]}
    second = [{**diagnosis, "code": None, "verificationStatus": error, **later}]
    second.append({**observation(id="o1", status="entered-in-error"), **later})
    canonical.admit_batches(workspace, [[ndjson(tmp_path, second, "2.ndjson")]], FHIR)
    assert canonical.query(workspace, asked) == [(1970, "male", None, None)]
    assert canonical.query(workspace, "SELECT count(*) FROM core.symptom_report") == [(0,)]


def test_of_two_records_of_a_person_the_later_one_says_what_both_state(tmp_path):
    workspace = create_workspace(tmp_path / "ws")
    said = contract("patient").columns
    values = {c.delivered_name: canonical.example(c) for c in said} | {"country_code": "DE"}
    old = canonical.record("patient", "old", source_patient_id="p", source_updated_at="2025-01-01T00:00:00Z", **values)
    new = canonical.record(
        "patient", "new", source_patient_id="p", source_updated_at="2025-02-01T00:00:00Z", birth_year="1980"
    )
    canonical.admit_batches(workspace, [[canonical.write_csv(tmp_path / "patient.csv", [old, new])]])
    names = [c.name for c in said]
    (row,) = canonical.query(workspace, f"SELECT {', '.join(names)} FROM core.patient")
    found = dict(zip(names, row, strict=True))
    # Nothing is lost that only the older one states, whatever columns there are.
    assert [name for name, value in found.items() if value is None] == []
    assert found["birth_year"] == 1980


def test_a_server_of_ones_own_extends_the_bundled_source(tmp_path):
    canonical.write(tmp_path / "clinic.yaml", "name: clinic\nextends: fhir\n")
    clinic = sources(tmp_path)["clinic"]
    assert (clinic.name, clinic.columns) == ("clinic", FHIR.columns)
    assert clinic.select("patient") == FHIR.select("patient")
    workspace = create_workspace(tmp_path / "ws")
    path = ndjson(tmp_path, [observation()])
    rows = canonical.spooled(canonical.prepare(workspace, path, clinic), "symptom_report")
    assert [row["source_system"] for row in rows] == ["clinic"]


def test_a_person_who_asks_to_be_forgotten_leaves_every_form_of_file(workspace, now):
    folder = workspace.folder("landing", "fhir")
    gone, stays = ({"reference": f"Patient/{who}"} for who in ("CANARY-1", "other"))
    pair = [observation(id="o1", subject=gone), observation(id="o2", subject=stays)]
    ndjson(folder, pair)
    entry = [{"resource": {**r, "id": f"{r['id']}b"}} for r in pair]
    canonical.write(folder / "bundle-1.json", json.dumps({"resourceType": "Bundle", "entry": entry}))
    canonical.write(folder / "single.json", json.dumps(observation(id="o3", subject=gone)))
    assert pipeline.ingest(workspace, now=now).exit_code == 0
    assert canonical.query(workspace, "SELECT count(*) FROM history.symptom_report") == [(5,)]
    assert pipeline.forget(workspace, "CANARY-1", "fhir", now=now).is_proved
    assert canonical.query(workspace, "SELECT count(*) FROM history.symptom_report") == [(2,)]
    kept = [path.read_bytes() for path in workspace.folder("archive").rglob("*") if path.is_file()]
    assert len(kept) == 3
    assert [b"other" in text for text in sorted(kept)].count(True) == 2
    assert not [text for text in kept if b"CANARY-1" in text]


@pytest.fixture(scope="module")
def real(real_exports, tmp_path_factory, now):
    """The real exports ingested: name of a file -> what became of its records. The single resources also as one file of lines."""
    root = tmp_path_factory.mktemp("real-fhir")
    create_workspace(root / "ws")
    (root / "ws" / "outcomes.toml").write_text("data_docs = false\n")
    workspace = open_workspace(root / "ws")
    folder = real_exports / "fhir"
    bulk = [
        folder / "bulk-10-patients" / f"{kind}.000.ndjson" for kind in ("Patient", "Condition", "MedicationRequest")
    ]
    standard = [json.loads(path.read_text()) for path in sorted((folder / "hl7-r4").glob("*.json"))]
    lines = [r for r in standard if r["resourceType"] != "Bundle"]
    single = [folder / "hl7-r4" / f"{name}.json" for name in ("Bundle-bundle-example", "Observation-example")]
    paths = [*bulk, ndjson(root, lines, "hl7.ndjson"), *single]
    summary = pipeline.ingest(workspace, paths, "fhir", now=now)
    assert summary.exit_code == 0
    return workspace, {found.file_name: found.counts for found in summary.files}, lines


def test_real_exports_give_their_counts_and_nothing_is_lost(real):
    _, counts, _ = real
    names = ("read_count", "admitted_count", "quarantined_count", "out_of_scope_count")
    # None of the 555 conditions is MS; of the orders those count whose medicine the list of treatments knows.
    assert {name: tuple(c[n] for n in names) for name, c in counts.items()} == {
        "Patient.000.ndjson": (13, 13, 0, 0),
        "Condition.000.ndjson": (555, 0, 0, 555),
        "MedicationRequest.000.ndjson": (1745, 270, 1475, 0),
        "hl7.ndjson": (156, 29, 53, 74),
        "Bundle-bundle-example.json": (2, 0, 1, 1),
        "Observation-example.json": (1, 0, 0, 1),
    }
    for c in counts.values():
        parts = ("admitted_count", "unchanged_count", "duplicate_count", "quarantined_count", "out_of_scope_count")
        assert c["read_count"] == sum(c[part] for part in parts)


def test_what_is_entered_in_error_in_real_exports_is_not_counted(real):
    workspace, _, lines = real
    errors = {r["resourceType"]: n for n, r in enumerate(lines, start=1) if r.get("status") == "entered-in-error"}
    assert sorted(errors) == ["MedicationStatement", "Observation"]
    with snapshot(workspace) as con:
        for table, kind in [("treatment_episode", "MedicationStatement"), ("symptom_report", "Observation")]:
            found = con.execute(
                f"SELECT is_deleted FROM history.{table} JOIN ops.file USING (file_id) WHERE file_name = 'hl7.ndjson' AND record_number = $n",
                {"n": errors[kind]},
            ).fetchall()
            assert found == [(True,)]
        assert con.execute("SELECT count(*) FROM core.treatment_episode").fetchone() == (275,)
        assert con.execute("SELECT count(*) FROM core.symptom_report").fetchone() == (0,)


def test_unknown_codes_of_real_exports_are_named(real):
    workspace, _, _ = real
    with snapshot(workspace) as con:
        found = con.execute("SELECT DISTINCT rule FROM ops.quarantine WHERE action = 'refuse'").fetchall()
    assert found == [("unknown_code",)]
