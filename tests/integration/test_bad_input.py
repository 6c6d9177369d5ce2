"""Bad files: each says what, where and what to do, ends with its exit code, and stops no other file."""

import pytest
from canonical import CANONICAL, csv_text, record, write, write_csv

from flows.errors import NotFoundError, UsageError
from flows.pipeline import decide, ingest
from flows.warehouse import snapshot

GOOD = csv_text([record("consent", str(n)) for n in range(20)])
HEADER, FIRST = GOOD.splitlines()[:2]
BAD = GOOD.replace("platform", "nowhere")


def rows(workspace, sql="SELECT count(*) FROM history.consent"):
    with snapshot(workspace) as con:
        return con.execute(sql).fetchall()


UNREADABLE = {
    "empty": (b"", "empty, not even a header. Export it again"),
    "binary": (b"PK\x03\x04\0\0\0", "a binary file, not an export in text. Export it as CSV"),
    "wrong encoding": (GOOD.encode() + b"\xe9,p,platform,granted,2024-01-01\n", "not in the stated encoding utf-8"),
    "no header": (b"\n" + GOOD.encode(), "The first line must name the columns"),
    "required column missing": (GOOD.replace("scope", "scop").encode(), "lacks the required column scope"),
    "column twice": (
        GOOD.replace(HEADER, HEADER + ",scope").encode(),
        "the column 'scope' stands twice in the header. Keep one of them",
    ),
}
HELD = {
    "cut off": (GOOD.encode() + b"a,p,plat", "the file ends inside record 21: it was probably cut off on its way"),
    "open quote": (
        GOOD.encode() + b'"a' + FIRST.encode() + b"\n" + GOOD.split("\n", 1)[1].encode(),
        "a quote in record 21 is not closed",
    ),
    "too many refused": (BAD.encode(), "20 of 20 records are refused, 100.0%; the tolerance is"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_file_ends_with_10_and_the_others_go_on(workspace, tmp_path, now, content, message):
    bad, good = write(tmp_path / "consent-bad.csv", content), write(tmp_path / "consent.csv", GOOD)
    summary = ingest(workspace, [bad, good], now=now)
    assert summary.exit_code == 10
    outcome = {file.file_name: file for file in summary.files}
    assert (outcome["consent-bad.csv"].status, outcome["consent.csv"].status) == ("unreadable", "admitted")
    (reason,) = outcome["consent-bad.csv"].reasons
    assert message in reason
    assert "consent-bad.csv" in reason
    assert rows(workspace) == [(20,)]


@pytest.mark.parametrize(("content", "message"), HELD.values(), ids=HELD)
def test_a_doubtful_file_is_held_with_11_and_the_others_go_on(workspace, tmp_path, now, content, message):
    bad, good = write(tmp_path / "consent-bad.csv", content), write(tmp_path / "consent.csv", GOOD)
    summary = ingest(workspace, [bad, good], now=now)
    assert summary.exit_code == 11
    outcome = {file.file_name: file for file in summary.files}
    assert (outcome["consent-bad.csv"].status, outcome["consent.csv"].status) == ("held", "admitted")
    assert any(message in reason for reason in outcome["consent-bad.csv"].reasons)
    assert rows(
        workspace,
        "SELECT count(*) FROM history.consent WHERE file_id IN (SELECT file_id FROM ops.file WHERE status = 'held')",
    ) == [(0,)]


def test_a_header_alone_ends_with_0(workspace, tmp_path, now):
    summary = ingest(workspace, [write(tmp_path / "consent.csv", HEADER + "\n")], now=now)
    assert (summary.exit_code, summary.files[0].status, summary.files[0].reasons) == (
        0,
        "admitted",
        ("a header and no records",),
    )


def test_refused_records_within_the_tolerance_end_with_0(workspace, tmp_path, now):
    summary = ingest(workspace, [write(tmp_path / "consent.csv", GOOD + "z,p,nowhere,granted,2024-01-01\n")], now=now)
    assert (
        summary.exit_code,
        summary.files[0].counts["admitted_count"],
        summary.files[0].counts["quarantined_count"],
    ) == (0, 20, 1)


def test_an_unknown_source_is_named_with_those_there_are(workspace, tmp_path, now):
    with pytest.raises(
        UsageError,
        match=r"unknown source 'patientslike'. There are: canonical, druglib, fhir, floodlight, platform, visible",
    ) as error:
        ingest(workspace, [write(tmp_path / "consent.csv", GOOD)], "patientslike", now=now)
    assert error.value.exit_code == 2
    assert list((workspace.root / "landing").rglob("*.csv")) == []


def test_a_file_that_is_not_there_ends_with_12(workspace, tmp_path, now):
    with pytest.raises(NotFoundError, match=r"consent.csv: no such file") as error:
        ingest(workspace, [tmp_path / "consent.csv"], now=now)
    assert error.value.exit_code == 12


def test_a_name_that_no_table_has_is_refused_before_anything_is_copied(workspace, tmp_path, now):
    with pytest.raises(UsageError, match=r"source 'canonical' takes files named patient\*.csv") as error:
        ingest(workspace, [write(tmp_path / "visits.csv", GOOD)], now=now)
    assert error.value.exit_code == 2


def test_a_name_that_no_table_has_is_unreadable_where_it_was_dropped(workspace, now):
    write(workspace.root / "landing" / "canonical" / "visits.csv", GOOD)
    summary = ingest(workspace, now=now)
    assert (summary.exit_code, summary.files[0].status) == (10, "unreadable")
    assert "no file of source 'canonical' has such a name" in summary.files[0].reasons[0]


def test_unfinished_files_wait(workspace, now):
    for name in ("consent.csv.tmp", ".consent.csv", "consent.csv.part", "consent.csv~"):
        write(workspace.root / "landing" / "canonical" / name, GOOD)
    assert ingest(workspace, now=now).files == []


def test_a_file_outside_is_neither_moved_nor_changed(workspace, tmp_path, now):
    path = write(tmp_path / "consent.csv", GOOD)
    before = path.stat()
    ingest(workspace, [path], now=now)
    assert path.read_text() == GOOD
    assert (path.stat().st_mtime_ns, path.stat().st_mode) == (before.st_mtime_ns, before.st_mode)


def test_a_held_file_is_admitted_by_an_operator_s_word_and_a_reason(workspace, tmp_path, now):
    half = csv_text([record("consent", str(n), scope="nowhere" if n % 2 else "platform") for n in range(10)])
    (held,) = ingest(workspace, [write(tmp_path / "consent.csv", half)], now=now).files
    outcome = decide(workspace, held.file_id, is_admitted=True, reason="seen by A", now=now)
    assert (outcome.status, outcome.file_id, outcome.counts["admitted_count"], outcome.counts["quarantined_count"]) == (
        "admitted",
        held.file_id,
        5,
        5,
    )
    assert "admitted by an operator: seen by A" in outcome.reasons
    assert rows(workspace) == [(5,)]
    with pytest.raises(UsageError, match="is admitted, not held"):
        decide(workspace, held.file_id, is_admitted=True, reason="again", now=now)


def test_a_held_file_is_refused_for_good_and_its_bytes_stay(workspace, tmp_path, now):
    path = write(tmp_path / "consent.csv", BAD)
    (held,) = ingest(workspace, [path], now=now).files
    assert decide(workspace, held.file_id, is_admitted=False, reason="wrong study", now=now).status == "refused"
    assert rows(workspace, "SELECT status FROM ops.file") == [("refused",)]
    assert [p.read_text() for p in (workspace.root / "archive" / "canonical").iterdir()] == [BAD]
    again = ingest(workspace, [path], now=now)
    assert (again.files[0].status, again.files[0].is_new, again.exit_code) == ("refused", False, 11)


def test_a_decision_on_a_file_that_is_not_there_ends_with_12(workspace, tmp_path, now):
    ingest(workspace, [write(tmp_path / "consent.csv", GOOD)], now=now)
    with pytest.raises(NotFoundError, match="no file with id 99"):
        decide(workspace, 99, is_admitted=True, reason="", now=now)


def test_an_unreadable_file_that_was_mended_is_another_file(workspace, tmp_path, now):
    path = write(tmp_path / "consent.csv", GOOD.replace("scope", "scop"))
    assert ingest(workspace, [path], now=now).exit_code == 10
    write(path, GOOD)
    summary = ingest(workspace, [path], now=now)
    assert (summary.exit_code, summary.files[0].counts["admitted_count"]) == (0, 20)
    assert rows(workspace, "SELECT status FROM ops.file ORDER BY file_id") == [("unreadable",), ("admitted",)]


def test_an_unreadable_file_is_taken_once_its_source_can_read_it(workspace, tmp_path, now):
    path = write(tmp_path / "consent.csv", GOOD.replace("granted", "granté").encode("latin-1"))
    assert ingest(workspace, [path], now=now).exit_code == 10
    yaml = "name: canonical\ndescription: d\nencoding: latin-1\nfiles: [{match: 'consent*.csv', feeds: [consent]}, {match: 'patient*.csv', feeds: [patient]}]\n"
    write(workspace.root / "sources" / "canonical.yaml", yaml)
    (outcome,) = ingest(workspace, [path], now=now).files
    assert (outcome.status, outcome.file_id) == ("held", 1)  # it is read now, and its words are none of the list


def test_messages_hold_no_value_of_a_record(workspace, tmp_path, now):
    secret = (
        csv_text([record("consent", f"SECRET{n}", scope="SECRET", source_patient_id="SECRET") for n in range(5)])
        + 'SECRET,"SECRET"x'
    )
    (outcome,) = ingest(workspace, [write(tmp_path / "consent.csv", secret)], now=now).files
    assert outcome.status == "held"
    assert "SECRET" not in repr(outcome)
    assert "SECRET" not in repr(rows(workspace, "SELECT * FROM ops.file")) + repr(
        rows(workspace, "SELECT * FROM ops.quarantine")
    )


def test_the_canonical_source_states_no_basis_for_consent():
    assert CANONICAL.consent is None


def test_children_wait_for_their_patient(workspace, tmp_path, now):
    child = write_csv(tmp_path / "fall_report.csv", [record("fall_report", "1", source_patient_id="p")])
    ingest(workspace, [child], now=now)
    assert rows(workspace, "SELECT count(*) FROM core.fall_report") == [(0,)]
    ingest(workspace, [write_csv(tmp_path / "patient.csv", [record("patient", "p", source_patient_id="p")])], now=now)
    assert rows(workspace, "SELECT count(*) FROM core.fall_report") == [(1,)]
