"""The way of a report from draft to published, by the command in a process of its own; killed in between it is mended by a rerun."""

import hashlib
import json
import os
import signal
from datetime import UTC, datetime, time

import canonical
import duckdb
import pyarrow.parquet as pq
import pytest
from canonical import record, write_csv
from commands import outcomes as started
from modes import share
from ready import copied

from flows import pipeline, releasing
from flows.errors import HeldError, NotFoundError, UsageError
from flows.settings import create_workspace, open_workspace
from flows.stages.erase import compact

DAYS = {1: "2025-12-31", 2: "2026-01-01"}
AS_OF = {number: datetime.combine(datetime.fromisoformat(day), time.max, UTC) for number, day in DAYS.items()}


def export(folder, first, last, prefix=""):
    """Files of patients from one number to another, each with a consent and a report on fatigue."""
    names = [f"p{n}" for n in range(first, last)]
    patients = [record("patient", n, source_patient_id=n, sex="female", condition_code="ms") for n in names]
    consents = [
        record("consent", f"c{n}", source_patient_id=n, scope="aggregate_release", status="granted") for n in names
    ]
    reports = [
        record("symptom_report", f"r{n}", source_patient_id=n, symptom_code="fatigue", severity=str(i % 4), reported_on="2025-11-30")
        for i, n in enumerate(names)
    ]  # fmt: skip
    for table, rows in (("patient", patients), ("consent", consents), ("symptom_report", reports)):
        write_csv(folder / f"{table}{prefix}.csv", rows)


def eighty_patients(root):
    workspace = create_workspace(root)
    (root / "outcomes.toml").write_text("data_docs = false\nautomatic_approval = false\nlock_wait_seconds = 5\n")
    export(workspace.folder("landing", "canonical"), 0, 80)
    assert pipeline.ingest(open_workspace(root), now=canonical.NOW).exit_code == 0


def drafted(root):
    eighty_patients(root)
    pipeline.report(open_workspace(root), now=canonical.NOW, as_of_at=AS_OF[1])


def approved_once(root):
    drafted(root)
    releasing.approve(open_workspace(root), 1, "yes", now=canonical.NOW)


@pytest.fixture
def home(tmp_path, ready):
    """A workspace with 80 patients, whose reports wait for approval."""
    return open_workspace(ready.copy("eighty patients", tmp_path / "ws", eighty_patients))


@pytest.fixture
def home_with_draft(tmp_path, ready):
    """The same with a report that waits."""
    return open_workspace(ready.copy("drafted", tmp_path / "ws", drafted))


@pytest.fixture
def home_with_report(tmp_path, ready):
    """The same with one that is published."""
    return open_workspace(ready.copy("approved once", tmp_path / "ws", approved_once))


def outcomes(workspace, *words, mode="0", check=True, record_to=os.devnull):
    """The command in a process of its own, its clock standing still; gives exit code, output and errors."""
    done = started(workspace.root, *words, mode=mode, record_to=str(record_to)).wait()
    assert "Traceback" not in done.err, done.err
    if check:
        assert done.returncode == 0, done.err
    return done.returncode, done.out, done.err


def more(workspace, first, last, now):
    export(workspace.folder("landing", "canonical"), first, last, f"-{first}")
    assert pipeline.ingest(workspace, now=now).exit_code == 0


def files(folder):
    """Every file below a folder, by what it holds; None if there is no folder."""
    if not folder.is_dir():
        return None
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def published_names(workspace):
    return sorted(path.name for path in (workspace.root / "published").iterdir() if not path.name.endswith(".duckdb"))


def test_from_draft_to_published_on_the_command_line(home, now):
    _, out, _ = outcomes(home, "report", "--on", DAYS[1])
    assert out.startswith("Draft 1, as of batch 1")
    assert "release approve 1" in out
    assert published_names(home) == ["draft"], "nothing is published before it is approved"
    drafted = pq.read_table(home.draft / "release.parquet")
    _, out, _ = outcomes(home, "status")
    assert "report     1, as of batch 1" in out
    assert "draft. Decide" in out

    _, out, _ = outcomes(home, "release", "approve", 1, "--reason", "figures look right")
    assert "Release 1 is approved" in out
    assert published_names(home) == ["report"]
    assert pq.read_table(home.report / "release.parquet") == drafted
    about = json.loads((home.report / "release.json").read_text())["release"]
    assert (about["release_id"], about["status"], about["compared_with"]) == (1, "approved", None)

    more(home, 80, 120, now)
    outcomes(home, "report", "--on", DAYS[2])
    assert published_names(home) == ["draft", "report"]
    _, out, _ = outcomes(home, "--json", "release", "diff")
    found = json.loads(out)
    assert (found["before"], found["after"]) == (1, 2)
    assert {r["table_name"]: r["late_count"] for r in found["records"]}["symptom_report"] == 40
    assert sum(f["changed"] for f in found["figures"]) > 0
    assert "Figures of release 2" in outcomes(home, "release", "diff", 1, 2)[1]

    _, out, _ = outcomes(home, "release", "hold", 2, "--reason", "a source is missing")
    assert "Release 2 is held." in out
    assert published_names(home) == ["report"]
    status = json.loads(outcomes(home, "--json", "status")[1])
    assert (status["release"]["release_id"], status["release"]["status"]) == (1, "approved")
    assert (status["undecided_release"]["status"], status["undecided_release"]["reason"]) == (
        "held",
        "a source is missing",
    )
    listed = json.loads(outcomes(home, "--json", "release", "list")[1])
    assert [(r["release_id"], r["status"], r["reason"]) for r in listed] == [
        (2, "held", "a source is missing"),
        (1, "approved", "figures look right"),
    ]
    code, _, err = outcomes(home, "report", "--on", DAYS[2], check=False)
    assert (code, "a source is missing" in err) == (11, True)


def test_a_decision_that_cannot_be_made_has_its_code(home_with_report):
    for words, expected in (
        (("release", "approve", 9), 12),
        (("release", "hold", 1, "--reason", "oh"), 2),
        (("release", "hold", 1), 2),
        (("release", "hold", 1, "--reason", " "), 2),
        (("release", "diff"), 12),
        (("report", "--as-of", "yesterday"), 2),
        (("report", "--as-of", "9"), 12),
        (("report", "--as-of", "batch:9"), 12),
        (("report", "--as-of", "1", "--on", DAYS[1]), 2),
    ):
        assert outcomes(home_with_report, *words, check=False)[0] == expected, words


def test_automatic_approval_is_what_happens_unless_set_otherwise(tmp_path, now):
    workspace = create_workspace(tmp_path / "ws")
    assert "automatic_approval = true" in (workspace.root / "outcomes.toml").read_text()
    summary = pipeline.report(workspace, now=now)
    assert (summary.status, summary.page) == ("approved", workspace.report / "index.html")
    (line,) = releasing.releases(workspace)
    assert "automatic" in line.reason


def test_an_old_report_is_repeated_and_nothing_is_changed_by_it(home_with_report, now):
    more(home_with_report, 80, 120, now)
    outcomes(home_with_report, "report", "--on", DAYS[2])
    outcomes(home_with_report, "release", "approve", 2)
    before = (
        files(home_with_report.report),
        files(home_with_report.root / "published"),
        home_with_report.warehouse.read_bytes(),
    )
    for words in ("release:1", "2"):
        code, out, _ = outcomes(home_with_report, "report", "--as-of", words)
        assert (code, "repeated exactly" in out) == (0, True), out
    found = json.loads(outcomes(home_with_report, "--json", "report", "--as-of", "batch:1")[1])
    assert (found["release_id"], found["is_exact"], found["as_of_batch"], found["exit_code"]) == (1, True, 1, 0)
    assert (
        files(home_with_report.report),
        files(home_with_report.root / "published"),
        home_with_report.warehouse.read_bytes(),
    ) == before
    assert not list((home_with_report.root / "spool" / "copies").iterdir())

    pipeline.forget(home_with_report, "p3", "canonical", now=now)
    code, out, _ = outcomes(home_with_report, "report", "--as-of", "1", check=False)
    assert code == 11
    assert "not repeatable" in out
    assert "1 person was forgotten since" in out


def test_a_batch_without_a_release_is_as_of_its_commit(home, now):
    found = releasing.repeat(home, "batch:1")
    assert (found.release_id, found.as_of_batch, found.as_of_at) == (None, 1, now)
    assert not found.is_exact
    assert found.cell_count > 0


def test_a_draft_from_before_an_erasure_is_not_published(home_with_draft, now):
    pipeline.forget(home_with_draft, "p3", "canonical", now=now)
    with pytest.raises(HeldError, match="forgotten"):
        releasing.approve(home_with_draft, 1, "yes", now=now)
    with pytest.raises(NotFoundError):
        releasing.hold(home_with_draft, 5, "no", now=now)


def test_the_stored_frame_keeps_its_order_when_the_warehouse_is_written_anew(home_with_draft, now):
    drafted = pq.read_table(home_with_draft.draft / "release.parquet")
    compact(home_with_draft)
    releasing.approve(home_with_draft, 1, "yes", now=now)
    assert pq.read_table(home_with_draft.report / "release.parquet") == drafted


# Killed in between

APPROVE = ("release", "approve", "1", "--reason", "yes")


@pytest.fixture
def approved(home_with_draft):
    """Events of an undisturbed approval, and what it leaves."""
    start = home_with_draft.root.with_name("start")
    copied(home_with_draft.root, start)
    events = home_with_draft.root.with_name("events.txt")
    assert "is approved" in outcomes(home_with_draft, *APPROVE, mode="count", record_to=events)[1]
    return start, events.read_text().splitlines(), end_of(home_with_draft.root)


def end_of(root):
    with duckdb.connect(str(root / "published" / "outcomes.duckdb"), read_only=True) as con:
        ledger = con.execute("SELECT release_id, status, reason, decided_at FROM ops.release").fetchall()
    names = sorted(path.name for path in (root / "published").iterdir() if "outcomes" not in path.name)
    return ledger, names, files(root / "published" / "report")


def test_an_approval_that_was_killed_is_ended_by_the_next(approved, tmp_path):
    """At the events between commit and the last rename, and at some before."""
    start, lines, end = approved
    places = {}
    for number, line in enumerate(lines, start=1):
        places.setdefault(line, []).append(number)
    last_approve = places["flows.stages.lifecycle.approve return"][-1]
    after = sorted({numbers[-1] for numbers in places.values() if numbers[-1] >= last_approve})
    before = sorted({numbers[0] for numbers in places.values() if numbers[0] < last_approve})
    assert len(after) > 5
    for number in (*before[:: max(1, len(before) // 2)], *after[:: max(1, len(after) // share(3, 6))], after[-1]):
        root = tmp_path / f"at-{number}"
        copied(start, root)
        workspace = open_workspace(root)
        code, *_ = outcomes(workspace, *APPROVE, mode=str(number), check=False)
        assert code == -signal.SIGKILL
        outcomes(workspace, *APPROVE)
        assert end_of(root) == end, f"killed at event {number}: {lines[number - 1]}"


@pytest.mark.parametrize("moment", ["taken away", "half built"])
def test_pages_that_a_killed_exchange_left_are_mended(home_with_report, now, moment):
    pages = files(home_with_report.report)
    published = home_with_report.root / "published"
    if moment == "taken away":
        home_with_report.report.rename(published / ".report-old")
    (published / ".report-2").mkdir()
    (published / ".report-2" / "index.html").write_text("half")
    # A draft has nothing to do with what is published, but whoever comes next puts it back.
    more(home_with_report, 80, 120, now)
    outcomes(home_with_report, "report", "--on", DAYS[2])
    assert files(home_with_report.report) == pages
    assert published_names(home_with_report) == ["draft", "report"]


def test_pages_of_a_release_that_was_overtaken_do_not_replace_those_of_the_later(home_with_report, now):
    with duckdb.connect(str(home_with_report.snapshot), read_only=True) as con:
        from flows.stages.lifecycle import stored

        first = stored(con, 1)
    more(home_with_report, 80, 120, now)
    outcomes(home_with_report, "report", "--on", DAYS[2])
    releasing.approve(home_with_report, 2, "yes", now=now)
    pages = files(home_with_report.report)
    releasing.write_pages(home_with_report, first)
    assert files(home_with_report.report) == pages
    with pytest.raises(UsageError, match="release 2 after it"):
        releasing.approve(home_with_report, 1, "yes", now=now)


def test_no_count_of_records_leaves_with_the_note(home_with_report, now):
    """Four patients are new: that many records are not in any published file."""
    more(home_with_report, 80, 84, now)
    outcomes(home_with_report, "report", "--on", DAYS[2])
    found = json.loads(outcomes(home_with_report, "--json", "release", "diff")[1])
    assert {r["late_count"] for r in found["records"]} >= {4}
    outcomes(home_with_report, "release", "approve", 2)
    about = json.loads((home_with_report.report / "release.json").read_text())["release"]
    assert not {"new_count", "late_count", "corrected_count", "withdrawn_count"} & set(about["differences"][0])
    assert sum(d["shown_as_before"] for d in about["differences"]) > 0
    note = (home_with_report.report / "release-note.html").read_text()
    assert "Figures of this release beside those of release 1" in note
    assert about["fingerprint"] in note
