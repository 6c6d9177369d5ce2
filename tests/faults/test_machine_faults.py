"""A full disk, folders that may not be written, spools that are gone, a clock that goes back, others at work meanwhile."""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import duckdb
import pytest
from canonical import record, write, write_csv
from commands import finished, outcomes
from crash import INGEST, REPORT, end_state, rerun
from driver import dying_in, without_privileges, without_room
from faultlog import tried
from modes import share
from ready import copied
from standing import until


@pytest.fixture
def delivered(course):
    return course.before(INGEST)


@pytest.fixture
def ingested(course):
    return course.before(REPORT)


@pytest.fixture
def undisturbed(course):
    return course.end(INGEST)


def is_one_clear_error(code, said):
    return code in (10, 11, 20, 30) and "Traceback" not in said


@pytest.mark.parametrize("kilobytes", share([2, 40, 600], [1, 2, 4, 8, 16, 40, 100, 300, 600, 900, 1500, 3000]))
def test_a_disk_that_is_full_stops_the_run_with_one_error_and_loses_nothing(
    tmp_path, delivered, undisturbed, kilobytes
):
    root = copied(delivered, tmp_path / "ws")
    code, said = finished(outcomes(root, *INGEST, before=partial(without_room, kilobytes)))
    tried("full disks")
    assert is_one_clear_error(code, said), said
    rerun(root, INGEST)
    assert end_state(root) == undisturbed


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
@pytest.mark.parametrize("place", ["landing/canonical", "archive", "spool", "quarantine", "published", "."])
def test_a_folder_that_may_not_be_written_stops_the_run_with_one_error(tmp_path, delivered, undisturbed, place):
    root = copied(delivered, tmp_path / "ws")
    (root / place).chmod(0o500)
    code, said = finished(outcomes(root, *INGEST, before=without_privileges))
    tried("read-only folders")
    assert is_one_clear_error(code, said), said
    (root / place).chmod(0o700)
    rerun(root, INGEST)
    assert end_state(root) == undisturbed


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_what_may_not_be_taken_is_named_waits_and_stops_nothing_else(tmp_path, delivered, undisturbed):
    root = copied(delivered, tmp_path / "ws")
    files = sorted((root / "landing" / "canonical").iterdir())
    shut = files[0]
    shut.chmod(0)
    folder = root / "landing" / "floodlight"
    folder.mkdir(exist_ok=True)
    folder.chmod(0)
    code, said = finished(outcomes(root, *INGEST, before=without_privileges))
    tried("files and folders of others")
    assert code in (10, 11), said
    assert f"{shut}: the user that runs this may not take it" in said
    assert f"{folder}: the user that runs this may not take it" in said
    # Held ones have left landing as well: what may not be read is all that is left.
    assert list((root / "landing" / "canonical").iterdir()) == [shut]
    shut.chmod(0o600)
    folder.chmod(0o700)
    rerun(root, INGEST)
    assert not list((root / "landing" / "canonical").iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files to others")
def test_a_file_of_another_user_is_taken_where_its_group_may_write(tmp_path, delivered, undisturbed):
    root = copied(delivered, tmp_path / "ws")
    for path in (root / "landing" / "canonical").iterdir():
        os.chown(path, 65534, -1)
        path.chmod(0o660)
    code, said = finished(outcomes(root, *INGEST, before=without_privileges))
    tried("files and folders of others")
    assert code in (0, 10, 11), said
    assert end_state(root) == undisturbed
    assert {path.stat().st_uid for path in (root / "archive").rglob("*")} == {0}


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "deleted": Path.unlink,
    "changed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("turn", share([0], range(len(DAMAGES))))
def test_damaged_spools_are_made_anew(tmp_path, delivered, undisturbed, turn):
    """Each kind of damage to some spools; in the long mode to each of them in turn."""
    root = copied(delivered, tmp_path / "ws")
    code, said = finished(outcomes(root, *INGEST, before=partial(dying_in, "flows.pipeline.settle")))
    assert code == -signal.SIGKILL, said
    spools = sorted((root / "spool").glob("*/[!.]*/*.parquet"))
    assert len(spools) > 3
    for number, path in enumerate(spools, start=turn):
        [*DAMAGES.values()][number % len(DAMAGES)](path)
        tried("damaged spools")
    rerun(root, INGEST)
    assert end_state(root) == undisturbed


@pytest.mark.parametrize("gone", ["spool", "quarantine"])
def test_a_held_file_is_admitted_from_the_archive_if_its_spool_is_gone(tmp_path, ingested, gone):
    root = copied(ingested, tmp_path / "ws")
    (held,) = [
        row[0]
        for row in duckdb.connect(str(root / "published" / "outcomes.duckdb"), read_only=True)
        .execute("SELECT file_id FROM ops.file WHERE status = 'held'")
        .fetchall()
    ]
    shutil.rmtree(root / gone)
    (root / gone).mkdir(mode=0o700)
    code, said = finished(outcomes(root, "batch", "admit", str(held), "--reason", "seen"))
    assert code == 0, said
    shutil.rmtree(root / "archive")
    code, said = finished(outcomes(root, "ingest", "--again", str(held)))
    assert code == 12
    assert "archive" in said


def test_a_clock_that_goes_back_changes_nothing_but_times(tmp_path, ingested, undisturbed):
    root = copied(ingested, tmp_path / "ws")
    earlier = {**os.environ, "OUTCOMES_TEST_CLOCK": "2025-06-01T12:00:00+00:00"}
    write_csv(root / "landing" / "canonical" / "consent-later.csv", [record("consent", f"l{n}") for n in range(5)])
    for _ in range(3):
        code, said = finished(outcomes(root, *INGEST, env=earlier))
        assert code == 0, said
    after = end_state(root)
    (later,) = set(after["ops.batch"]) - set(undisturbed["ops.batch"])
    assert "datetime.datetime(2025, 6, 1, 12" in later
    assert len(after["ops.batch"]) == len(undisturbed["ops.batch"]) + 1
    assert len(after["history.consent"]) == len(undisturbed["history.consent"]) + 5
    assert set(undisturbed["history.patient"]) == set(after["history.patient"])


@pytest.fixture
def waiting_copy(tmp_path):
    """A `cp` that says by a file that it was called, and does nothing until there is another, `go`."""
    folder = tmp_path / "bin"
    wait = f"touch {tmp_path}/copying\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    write(folder / "cp", f'#!/bin/sh\n{wait}\nexec {shutil.which("cp")} "$@"\n')
    (folder / "cp").chmod(0o755)
    yield {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    (tmp_path / "go").touch()


@pytest.mark.parametrize(("wait", "second"), [(20, 0), (0.5, 20)])
def test_a_second_run_during_a_publish_waits_or_says_who_works(
    tmp_path, ingested, undisturbed, waiting_copy, wait, second
):
    root = copied(ingested, tmp_path / "ws")
    landing = root / "landing" / "canonical"
    write_csv(landing / "consent-sooner.csv", [record("consent", "sooner")])
    first = outcomes(root, *INGEST, env=waiting_copy)
    until((tmp_path / "copying").exists, 60)
    (root / "outcomes.toml").write_text(f"data_docs = false\nlock_wait_seconds = {wait}\n")
    write_csv(landing / "consent-later.csv", [record("consent", "later")])
    events = write(tmp_path / "events", "")
    behind = outcomes(root, *INGEST, mode="count", record_to=str(events))
    if second == 0:
        until(lambda: "flows.warehouse._take call" in events.read_text(), 60)
        assert behind.returncode is None
        (tmp_path / "go").touch()
    code, said = finished(behind)
    tried("runs at once")
    assert code == second, said
    if second == 20:
        assert "outcomes ingest" in said
        assert str(first.pid) in said
    (tmp_path / "go").touch()
    assert finished(first)[0] == 0
    rerun(root, INGEST)
    after = end_state(root)
    assert len(after["history.consent"]) == len(undisturbed["history.consent"]) + 2


def test_an_analyst_who_reads_all_the_time_is_never_in_the_way(tmp_path, ingested):
    root = copied(ingested, tmp_path / "ws")
    with duckdb.connect(str(root / "published" / "outcomes.duckdb"), read_only=True) as con:
        before = con.execute("SELECT count(*) FROM history.consent").fetchone()
        write_csv(root / "landing" / "canonical" / "consent-later.csv", [record("consent", "later")])
        rerun(root, INGEST, REPORT)
        assert con.execute("SELECT count(*) FROM history.consent").fetchone() == before
    with duckdb.connect(str(root / "published" / "outcomes.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM history.consent").fetchone() == (before[0] + 1,)


def test_everything_that_a_run_writes_is_for_its_owner_alone(tmp_path, delivered):
    root = copied(delivered, tmp_path / "ws")
    (root / "outcomes.toml").write_text("data_docs = true\n")
    rerun(root, INGEST, REPORT)
    mine = [path for path in root.rglob("*") if not path.is_relative_to(root / "sources")]
    assert len(mine) > 30
    assert [str(path) for path in mine if path.stat().st_mode & 0o077] == []


def test_a_key_that_others_may_read_is_refused(tmp_path, delivered):
    root = copied(delivered, tmp_path / "ws")
    (root / "key").chmod(0o644)
    code, said = finished(outcomes(root, *INGEST))
    assert code == 2
    assert "chmod 600" in said
    assert Path(root / "key").read_text().strip() not in said
