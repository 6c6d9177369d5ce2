"""One writer, and a published file that is never locked, never half written, and never behind for long."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from canonical import admit_batches, csv_text, record, write

from flows.errors import BrokenIdentityError, PipelineError, TransientError
from flows.pipeline import ingest
from flows.stages import admit, publish
from flows.warehouse import lock_holder, snapshot, warehouse, writing

ROOT = Path(__file__).parents[2]
OPEN_DIRECTLY = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('CREATE TABLE ops.theirs (i INTEGER)')"
TAKE_THE_LOCK = """
import sys
from dataclasses import replace
from pathlib import Path
from flows.settings import open_workspace
from flows.warehouse import writing
workspace = open_workspace(Path(sys.argv[1]))
with writing(replace(workspace, settings=replace(workspace.settings, lock_wait_seconds=0.1)), "another ingest"):
    print("got it")
"""


def in_another_process(code: str, argument: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(argument)], capture_output=True, text=True, check=False, cwd=ROOT
    )


def file_of(folder: Path, count: int, name: str = "consent.csv") -> Path:
    return write(folder / name, csv_text([record("consent", f"{name} {n}") for n in range(count)]))


def consents(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute("SELECT count(*) FROM history.consent").fetchone()[0]


def test_a_second_process_does_not_get_the_lock_and_is_told_who_holds_it(workspace):
    with writing(workspace, "outcomes ingest"):
        other = in_another_process(TAKE_THE_LOCK, workspace.root)
    assert "got it" not in other.stdout
    assert (
        f"TransientError: {workspace.lock}: still held by `outcomes ingest` (process {os.getpid()}, since"
        in other.stderr.replace("flows.errors.", "")
    )
    assert "got it" in in_another_process(TAKE_THE_LOCK, workspace.root).stdout
    assert lock_holder(workspace) is None


def test_a_second_process_does_not_get_the_lock_while_the_first_publishes(workspace, tmp_path, now, monkeypatch):
    seen = []

    def watched(*words, **options):
        seen.append(in_another_process(TAKE_THE_LOCK, workspace.root).stdout)
        return real(*words, **options)

    real = subprocess.run
    monkeypatch.setattr(publish, "subprocess", type("Watched", (), {"run": staticmethod(watched)}))
    ingest(workspace, [file_of(tmp_path, 3)], now=now)
    assert seen == [""]


def test_nothing_the_writer_does_lets_another_process_open_its_file(workspace, tmp_path, now):
    ingest(workspace, [file_of(tmp_path, 3)], now=now)
    with writing(workspace, "test"), warehouse(workspace) as con:
        con.execute("BEGIN")
        workspace.warehouse.chmod(0o600)
        with snapshot(workspace) as published:
            published.execute("SELECT 1")
        other = in_another_process(OPEN_DIRECTLY, workspace.warehouse)
        con.execute("COMMIT")
    assert "Could not set lock on file" in other.stderr
    with writing(workspace, "test"), warehouse(workspace) as con:
        assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'theirs'").fetchone() == (0,)


def test_the_lock_is_free_after_an_error(workspace):
    with pytest.raises(ZeroDivisionError), writing(workspace, "test"):
        raise ZeroDivisionError
    assert lock_holder(workspace) is None


def test_waiting_for_the_lock_ends_with_20(workspace):
    hurried = replace(workspace, settings=replace(workspace.settings, lock_wait_seconds=0.1))
    with (
        writing(workspace, "first"),
        pytest.raises(TransientError, match="still held by `first`") as error,
        writing(hurried, "second"),
    ):
        pass
    assert error.value.exit_code == 20


ANALYST = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as con:
    for _ in range(2):
        print(con.execute("SELECT count(*) FROM history.consent").fetchone()[0], flush=True)
        sys.stdin.readline()
"""


def test_an_open_analyst_keeps_the_old_data_and_a_new_one_sees_the_new(workspace, tmp_path, now):
    ingest(workspace, [file_of(tmp_path, 3)], now=now)
    with subprocess.Popen(
        [sys.executable, "-c", ANALYST, str(workspace.snapshot)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as analyst:
        assert analyst.stdout.readline() == "3\n"
        ingest(workspace, [file_of(tmp_path, 4, "consent-more.csv")], now=now)
        assert consents(workspace.snapshot) == 7
        analyst.stdin.write("\n\n")
        analyst.stdin.flush()
        assert analyst.stdout.readline() == "3\n"


def test_what_was_committed_but_not_published_is_published_by_the_next_ingest(workspace, tmp_path, now):
    ingest(workspace, [file_of(tmp_path, 3)], now=now)
    admit_batches(workspace, [[file_of(tmp_path, 4, "consent-more.csv")]])
    assert consents(workspace.snapshot) == 3
    summary = ingest(workspace, now=now)
    assert (summary.files, summary.is_published) == ([], True)
    assert consents(workspace.snapshot) == 7
    assert ingest(workspace, now=now).is_published is False


def test_a_kill_before_the_file_is_archived_takes_it_once(workspace, tmp_path, now):
    path = file_of(workspace.root / "landing" / "canonical", 3)
    admit_batches(workspace, [[path]])
    (outcome,) = ingest(workspace, now=now).files
    assert (outcome.status, outcome.is_new) == ("admitted", False)
    assert consents(workspace.snapshot) == 3
    assert not path.exists()


def test_what_a_killed_publish_left_changes_no_dated_copy(workspace, tmp_path, now):
    ingest(workspace, [file_of(tmp_path, 3)], now=now)
    (dated,) = (workspace.root / "published").glob("outcomes-*.duckdb")
    os.link(dated, workspace.root / "published" / ".outcomes.duckdb")
    ingest(workspace, [file_of(tmp_path, 4, "consent-more.csv")], now=now.replace(hour=13))
    assert consents(dated) == 3
    assert consents(workspace.snapshot) == 7


def test_as_many_dated_copies_are_kept_as_set(workspace, tmp_path, now):
    for hour in range(4):
        ingest(workspace, [file_of(tmp_path, hour + 1, f"consent-{hour}.csv")], now=now.replace(hour=hour))
    names = sorted(p.name for p in (workspace.root / "published").glob("outcomes-*.duckdb"))
    assert names == ["outcomes-2026-01-01T020000Z.duckdb", "outcomes-2026-01-01T030000Z.duckdb"]


def test_a_copy_that_fails_leaves_the_published_file_as_it_was(workspace, tmp_path, now, monkeypatch):
    ingest(workspace, [file_of(tmp_path, 3)], now=now)
    monkeypatch.setattr(publish, "_COPY", ["false"])
    with pytest.raises(PipelineError, match="the copy for analysts could not be written"):
        ingest(workspace, [file_of(tmp_path, 4, "consent-more.csv")], now=now)
    assert consents(workspace.snapshot) == 3
    monkeypatch.undo()
    assert ingest(workspace, now=now).is_published
    assert consents(workspace.snapshot) == 7


def test_only_the_owner_reads_any_file_of_a_workspace(workspace, tmp_path, now):
    bad = csv_text([record("consent", str(n), scope="nowhere") for n in range(5)])
    ingest(workspace, [file_of(tmp_path, 3), write(tmp_path / "consent-held.csv", bad)], now=now)
    modes = {
        path: stat.S_IMODE(path.stat().st_mode) for path in workspace.root.rglob("*") if "data-docs" not in path.parts
    }
    assert {path: oct(mode) for path, mode in modes.items() if path.is_dir() and mode != 0o700} == {}
    assert {path: oct(mode) for path, mode in modes.items() if path.is_file() and mode != 0o600} == {}
    assert modes[workspace.snapshot] == 0o600


def test_a_batch_whose_records_do_not_add_up_leaves_nothing(workspace, tmp_path, now, monkeypatch):
    ingest(workspace, [file_of(tmp_path, 3)], now=now)

    def forgetful(path, **parts):
        text = real(path, **parts)
        return text + "\nHAVING FALSE" if path == "admit/counts" else text

    real = admit.statement
    monkeypatch.setattr(admit, "statement", forgetful)
    with pytest.raises(
        BrokenIdentityError, match="4 records were read but 0 disposed of. Nothing was admitted"
    ) as error:
        ingest(workspace, [file_of(tmp_path, 4, "consent-more.csv")], now=now)
    assert error.value.exit_code == 30
    monkeypatch.undo()
    with writing(workspace, "test"), warehouse(workspace) as con:
        for table in ("history.consent", "ops.file", "ops.batch"):
            assert con.execute(f"SELECT count(*) FROM {table}").fetchone() == (
                (3 if table == "history.consent" else 1),
            )
    # Nothing was lost: the file waits, and is admitted once the program is mended.
    assert ingest(workspace, now=now).files[0].counts["admitted_count"] == 4
