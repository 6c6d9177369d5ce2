"""A workspace whose key was lost or has leaked is made anew from its archive: the same records under other pseudonyms."""

import pytest
from canonical import query, record, write_csv

from flows import pipeline
from flows.errors import NotFoundError, UsageError
from flows.pipeline import ingest
from flows.rebuilding import rebuild
from flows.stages.forgotten import pseudonym
from flows.stages.land import archived

PEOPLE = [f"member-{n:04}" for n in range(60)]


def deliver(workspace, now):
    """Three batches: a first, a correction of it, a file under the same name that was held and then admitted; one is held."""
    landing = workspace.folder("landing", "canonical")
    write_csv(landing / "patient.csv", [record("patient", n, source_patient_id=n, sex="female") for n in PEOPLE])
    reports = [
        record("symptom_report", f"r-{n}", source_patient_id=n, symptom_code="fatigue", severity="1") for n in PEOPLE
    ]
    write_csv(landing / "symptom_report.csv", reports)
    ingest(workspace, now=now)
    corrected = [{**report, "severity": "3", "source_updated_at": "2025-06-01T00:00:00Z"} for report in reports[:50]]
    write_csv(landing / "symptom_report.csv", corrected)
    ingest(workspace, now=now)
    refused = [record("fall_report", f"f-{n}", source_patient_id=n, fall_count="-1") for n in PEOPLE[:10]]
    write_csv(landing / "fall_report.csv", [*refused, record("fall_report", "f", source_patient_id=PEOPLE[0])])
    (held,) = ingest(workspace, now=now).files
    assert held.status == "held"
    assert pipeline.decide(workspace, held.file_id, is_admitted=True, reason="known", now=now).status == "admitted"
    write_csv(landing / "fall_report.csv", refused)
    assert ingest(workspace, now=now).files[0].status == "held"


SEVERITIES = "SELECT severity, count(*) FROM core.symptom_report GROUP BY ALL ORDER BY ALL"


def test_the_same_records_come_back_under_other_pseudonyms(workspace, now, tmp_path, monkeypatch):
    deliver(workspace, now)
    before = query(workspace, SEVERITIES)
    old = {patient for (patient,) in query(workspace, "SELECT patient_id FROM core.patient")}
    old_key = workspace.key()
    (workspace.root / "key").unlink()
    made = rebuild(workspace, tmp_path / "anew", now=now)
    new = type(workspace)(made.root)
    assert [f.status for f in made.files] == ["admitted"] * 4
    assert made.differing == []
    assert made.before == made.after
    assert made.after["symptom_report"] == 60
    assert query(new, SEVERITIES) == before == [(1, 10), (3, 50)]
    patients = {patient for (patient,) in query(new, "SELECT patient_id FROM core.patient")}
    assert patients == {pseudonym(new.key(), "canonical", n) for n in PEOPLE}
    assert not patients & old
    assert new.key() != old_key
    # The held file waits, and the archive takes up where the old one was.
    (held,) = ingest(new, now=now).files
    assert (held.status, held.file_name) == ("held", "fall_report.csv")
    for path in (workspace.root / "archive" / "canonical").iterdir():
        assert archived(new, "canonical", path.name).read_bytes() == path.read_bytes()


def test_whoever_was_forgotten_stays_out(workspace, now, tmp_path):
    deliver(workspace, now)
    assert pipeline.forget(workspace, PEOPLE[7], "canonical", now=now).is_proved
    made = rebuild(workspace, tmp_path / "anew", now=now)
    new = type(workspace)(made.root)
    assert made.differing == []
    assert made.after["patient"] == 59
    assert sum(f.counts["quarantined_count"] for f in made.files) == 9
    # The new ledger knows of the blank records too.
    erased = "SELECT sum(erased_count) FROM ops.file WHERE status = 'admitted'"
    assert query(new, erased) == query(workspace, erased) == [(4,)]


def test_nothing_is_made_where_it_cannot_be_whole(workspace, now, tmp_path, monkeypatch):
    deliver(workspace, now)
    with monkeypatch.context() as environment:
        environment.setenv("OUTCOMES_KEY", workspace.key().hex())
        with pytest.raises(UsageError, match="old key"):
            rebuild(workspace, tmp_path / "anew", now=now)
    with pytest.raises(UsageError, match="not an empty folder"):
        rebuild(workspace, workspace.root, now=now)
    next((workspace.root / "archive" / "canonical").iterdir()).unlink()
    with pytest.raises(NotFoundError, match="nothing was made"):
        rebuild(workspace, tmp_path / "anew", now=now)
    assert not (tmp_path / "anew").exists()
