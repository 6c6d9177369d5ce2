"""The platform's export API from end to end: served, pulled, ingested, it gives what the same files give."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import canonical
import pytest
from api_server import landed

from flows import cli, pipeline
from flows.cohort import write_cohort
from flows.cohort.served import SOURCE_NAME, Lists, Server
from flows.settings import create_workspace, open_workspace
from schemas.contract import TABLES

PATIENTS = 30


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    write_cohort(folder, PATIENTS)
    return folder


@pytest.fixture
def from_files(workspace, tmp_path, exports, now):
    """A workspace of the same key that took the files themselves, under a source of the same name."""
    root = create_workspace(tmp_path / "files").root
    shutil.copy(workspace.root / "key", root / "key")
    (root / "outcomes.toml").write_text("data_docs = false\n")
    other = open_workspace(root)
    described = Path(sys.modules["schemas.sources"].__file__).parent / "sources" / "canonical.yaml"
    text = described.read_text().replace("name: canonical", f"name: {SOURCE_NAME}")
    canonical.write(root / "sources" / f"{SOURCE_NAME}.yaml", text)
    pipeline.ingest(other, sorted(exports.glob("*.csv")), SOURCE_NAME, now=now)
    return other


def outcomes(monkeypatch, capfd, workspace, *arguments):
    """Exit code and what was printed."""
    monkeypatch.setattr(sys, "argv", ["outcomes", "--workspace", str(workspace.root), *arguments])
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    printed = capfd.readouterr()
    return code, printed.out + printed.err


def test_what_is_pulled_and_ingested_is_what_the_files_give(workspace, from_files, exports, monkeypatch, capfd, now):
    monkeypatch.setattr(cli, "_now", lambda: now)
    with Server(Lists(exports)) as server, server.known(workspace.folder("sources")):
        code, said = outcomes(monkeypatch, capfd, workspace, "pull", SOURCE_NAME)
    assert code == 0, said
    assert server.token not in said
    assert "PLATFORM_TOKEN" not in os.environ
    code, said = outcomes(monkeypatch, capfd, workspace, "ingest", "--source", SOURCE_NAME)
    expected = canonical.core(from_files, *TABLES)
    assert all(expected[table] for table in TABLES)
    assert canonical.core(workspace, *TABLES) == expected
    assert not any(
        server.token in path.read_text(errors="replace") for path in workspace.root.rglob("*") if path.is_file()
    )


def test_the_next_pull_brings_only_what_is_new_and_tombstones_delete(workspace, tmp_path):
    folder = tmp_path / "exports"
    write_cohort(folder, 20, dirt=False)
    now = datetime.now(UTC)
    before = len((folder / "consent.csv").read_text().splitlines()) - 1
    with Server(Lists(folder)) as server, server.known(workspace.folder("sources")):
        first = pipeline.pull(workspace, SOURCE_NAME, now=now)
        assert (first.exit_code, {f.name: f.record_count for f in first.lists}["consent"]) == (0, before)
        pipeline.ingest(workspace, now=now)
        header, *rows = (folder / "consent.csv").read_text().splitlines()
        gone, changed = dict(zip(header.split(","), rows[0].split(","), strict=True)), rows[1].split(",")
        changed[header.split(",").index("source_updated_at")] = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        changed[header.split(",").index("status")] = "withdrawn"
        gone = {**dict.fromkeys(gone, ""), **{n: gone[n] for n in ("source_record_id", "source_patient_id")}}
        gone |= {"source_updated_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "is_deleted": "true"}
        canonical.write(folder / "consent-more.csv", f"{header}\n{','.join(changed)}\n{','.join(gone.values())}\n")
        server.lists = Lists(folder)
        second = pipeline.pull(workspace, SOURCE_NAME, now=now)
        assert {f.name: f.record_count for f in second.lists if f.record_count} == {"consent": 2}
        assert [path.name.split("-")[0] for path in landed(workspace)] == ["consent"]
        assert pipeline.ingest(workspace, now=now).exit_code == 0
    current = "FROM history.consent WHERE superseded_in IS NULL AND NOT is_deleted"
    assert canonical.query(workspace, f"SELECT count(*) {current}") == [(before - 1,)]
    ended = "SELECT count(*) FROM history.consent WHERE is_deleted"
    assert canonical.query(workspace, ended) == [(1,)]
    at = f"AND source_updated_at = '{now:%Y-%m-%d %H:%M:%S}+00'"
    assert canonical.query(workspace, f"SELECT status {current} {at}") == [("withdrawn",)]


def test_the_demonstration_over_the_api_ends_in_a_report_and_says_no_token(tmp_path):
    root = tmp_path / "demo"
    command = [Path(sys.executable).with_name("outcomes"), "--json", "demo", str(root), "--patients", "12", "--api"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PLATFORM_TOKEN": "of-ours"}
    )
    assert ran.returncode == 0, ran.stderr
    made = open_workspace(root)
    assert not (root / "landing" / "canonical").exists() or not any((root / "landing" / "canonical").iterdir())
    assert list((root / "archive" / SOURCE_NAME).iterdir())
    assert list((root / "published" / "report").iterdir())
    assert all(canonical.core(made, "patient", "symptom_report").values())
    assert '"pull: platform, demo"' in ran.stdout
    assert "Bearer" not in ran.stdout + ran.stderr
