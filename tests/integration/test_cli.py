"""The command line: what it prints, and with which exit code it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import cli

HEADER = "source_record_id,source_patient_id,source_updated_at,is_deleted"
OUTCOMES = Path(sys.executable).parent / "outcomes"


@pytest.fixture
def outcomes(monkeypatch, capsys):
    """Run `outcomes` with these words; gives exit code, standard output and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["outcomes", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


@pytest.fixture
def home(tmp_path, outcomes):
    assert outcomes("init", tmp_path / "ws")[0] == 0
    (tmp_path / "ws" / "outcomes.toml").write_text("data_docs = false\n")
    return tmp_path / "ws"


@pytest.fixture
def consents(tmp_path):
    """A file of twenty consents, of which one has an unknown status."""
    lines = [
        f"c{n},p{n},,,aggregate_release,{'given' if n == 7 else 'granted'},2024-01-01T00:00:00Z" for n in range(20)
    ]
    path = tmp_path / "consent.csv"
    path.write_text("\n".join([f"{HEADER},scope,status,effective_at", *lines]) + "\n")
    return path


def test_init_makes_a_workspace_that_only_its_owner_can_read(tmp_path, outcomes):
    code, out, _ = outcomes("init", tmp_path / "new")
    assert code == 0
    assert str(tmp_path / "new") in out
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "key").stat().st_mode & 0o777 == 0o600


def test_init_refuses_a_folder_that_holds_something(home, outcomes):
    code, _, err = outcomes("init", home)
    assert code == 2
    assert "not an empty folder" in err


def test_ingest_counts_every_record_once(home, outcomes, consents):
    code, out, _ = outcomes("--workspace", home, "--json", "ingest", consents)
    assert code == 0
    (file,) = json.loads(out)["files"]
    assert file["status"] == "admitted"
    counts = file["counts"]
    assert (counts["read_count"], counts["admitted_count"], counts["quarantined_count"]) == (20, 19, 1)
    assert consents.exists(), "a file outside the workspace is never moved"


def test_ingesting_a_file_again_changes_nothing_and_says_so(home, outcomes, consents):
    outcomes("--workspace", home, "ingest", consents)
    code, out, _ = outcomes("--workspace", home, "ingest", consents)
    assert code == 0
    assert "nothing changed" in out


def test_quarantine_shows_number_line_rule_and_original_text(home, outcomes, consents, tmp_path):
    outcomes("--workspace", home, "ingest", consents)
    code, out, _ = outcomes("--workspace", home, "quarantine", "list")
    assert code == 0
    assert "status_unknown_value" in out
    code, out, _ = outcomes("--workspace", home, "quarantine", "show", "1")
    assert "record 8, line 9: status_unknown_value (refuse)" in out
    assert "c7,p7,,,aggregate_release,given,2024-01-01T00:00:00Z" in out
    code, out, _ = outcomes("--workspace", home, "quarantine", "export", "1", tmp_path / "out.csv")
    assert code == 0
    assert "c7,p7" in (tmp_path / "out.csv").read_text()
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o600


def test_a_held_file_ends_with_11_and_an_operator_can_admit_it(home, outcomes, tmp_path):
    path = tmp_path / "consent.csv"
    path.write_text(
        f"{HEADER},scope,status,effective_at\nc1,p1,,,aggregate_release,given,2024-01-01T00:00:00Z\nc2,p2,,,aggregate_release,granted,2024-01-01T00:00:00Z\n"
    )
    code, _, err = outcomes("--workspace", home, "ingest", path)
    assert code == 11
    assert "1 of 2 records are refused, 50.0%; the tolerance is 10.0%" in err
    code, out, _ = outcomes("--workspace", home, "batch", "list")
    assert "held" in out
    code, out, _ = outcomes("--workspace", home, "--json", "batch", "admit", "1", "--reason", "the source knows")
    assert code == 0
    assert json.loads(out)["counts"]["admitted_count"] == 1
    code, _, err = outcomes("--workspace", home, "batch", "refuse", "1", "--reason", "too late")
    assert code == 2
    assert "not held" in err


def test_check_says_what_would_become_of_a_file_and_loads_nothing(outcomes, consents, tmp_path):
    code, out, _ = outcomes("--workspace", tmp_path, "check", "canonical", consents)
    assert code == 0
    assert "would be admitted (20 records, 1 refused" in out
    assert "status_unknown_value" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("ingest", "nowhere.csv"), 12, "no such file"),
        (("ingest", "--source", "unheard"), 2, "unknown source 'unheard'"),
        (("quarantine", "show", "99"), 12, "nothing is published yet"),
        (("query", "SELECT 1"), 12, "nothing is published yet"),
        (("dictionary", "unheard"), 12, "no table or code list 'unheard'"),
    ],
)
def test_a_bad_word_gets_one_message_and_its_code(home, outcomes, words, code, message):
    found, _, err = outcomes("--workspace", home, *words)
    assert (found, message in err) == (code, True), err
    assert "Traceback" not in err


def test_a_missing_workspace_is_said_to_be_missing(tmp_path, outcomes):
    code, _, err = outcomes("--workspace", tmp_path, "status")
    assert code == 12
    assert "outcomes init" in err


def test_query_reads_the_published_file_and_nothing_else(home, outcomes, consents):
    outcomes("--workspace", home, "ingest", consents)
    code, out, _ = outcomes("--workspace", home, "--json", "query", "SELECT count(*) AS n FROM history.consent")
    assert (code, json.loads(out)) == (0, [{"n": 19}])
    for forbidden in ("DELETE FROM history.consent", f"SELECT * FROM read_csv('{consents}')", "SELECT nonsense"):
        code, _, err = outcomes("--workspace", home, "query", forbidden)
        assert (code, "the query failed" in err) == (2, True), forbidden


def test_dictionary_describes_every_column_of_a_table(outcomes):
    code, out, _ = outcomes("--json", "dictionary", "symptom_report")
    entry = {e["column"]: e for e in json.loads(out)}["severity"]
    assert code == 0
    assert entry["allowed"] == "0 (none), 1 (mild), 2 (moderate), 3 (severe)"


def test_signs_of_control_in_a_file_do_not_reach_the_terminal(home, outcomes, tmp_path):
    path = tmp_path / "consent.csv"
    path.write_text(
        f"{HEADER},scope,status,effective_at\nc1,p1,,,aggregate_release,\x1b[31mgiven,2024-01-01T00:00:00Z\n"
    )
    outcomes("--workspace", home, "ingest", path)
    _, out, _ = outcomes("--workspace", home, "quarantine", "show", "1")
    assert "\x1b" not in out
    assert "\\x1b[31mgiven" in out


def test_the_commands_people_wait_for_do_not_load_what_they_do_not_need(home, outcomes, consents):
    outcomes("--workspace", home, "ingest", consents)
    for words in (["--help"], ["--workspace", home, "status"], ["--workspace", home, "query", "SELECT 1"]):
        loaded = subprocess.run(
            [sys.executable, "-X", "importtime", str(OUTCOMES), *map(str, words)],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        for package in ("prefect", "great_expectations", "pyarrow", "altair", "pandas"):
            assert f" {package}\n" not in loaded, (words, package)


@pytest.mark.parametrize("command", ["ingest", "report"])
def test_a_prefect_server_that_is_not_there_is_one_error(home, command):
    done = subprocess.run(
        [OUTCOMES, "--workspace", home, command],
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_CLIENT_MAX_RETRIES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (20, "", 1), done.stderr
    assert "127.0.0.1:9/api: the Prefect server does not answer" in done.stderr


def test_the_gate_does_not_load_what_no_suite_of_ours_asks_for():
    code = (
        "import sys, flows.audit\n"
        "assert 'scipy.stats._stats_py' not in sys.modules, 'loaded at once'\n"
        "from scipy import stats\n"
        "assert stats.norm.cdf(0) == 0.5, 'not there when it is used'"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr == ""


def test_every_command_of_the_readme_exists():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    helped = subprocess.run([OUTCOMES, "--help"], capture_output=True, text=True, check=True).stdout
    for command in (
        "init",
        "demo",
        "check",
        "ingest",
        "report",
        "status",
        "query",
        "dictionary",
        "quarantine",
        "batch",
    ):
        assert command in helped
        assert f"outcomes {command}" in text, f"the README does not name `outcomes {command}`"


def test_a_key_that_made_none_of_the_pseudonyms_is_refused(home, outcomes, consents, tmp_path):
    outcomes("--workspace", home, "ingest", consents)
    (home / "key").write_text("ab" * 32)
    more = tmp_path / "consent-more.csv"
    more.write_text(consents.read_text() + "c99,p99,,,research,granted,2024-01-01T00:00:00Z\n")
    code, _, err = outcomes("--workspace", home, "ingest", more)
    assert code == 2
    assert "made with another key" in err


def test_a_file_taken_again_leaves_the_first_take_s_numbers_alone(home, outcomes, consents):
    outcomes("--workspace", home, "ingest", consents)
    code, out, _ = outcomes("--workspace", home, "--json", "ingest", "--again", "1")
    assert (code, json.loads(out)["files"][0]["file_id"]) == (0, 2)
    _, out, _ = outcomes(
        "--workspace",
        home,
        "--json",
        "query",
        "SELECT file_id, admitted_count, unchanged_count, taken_again_as FROM ops.file ORDER BY ALL",
    )
    assert [list(row.values()) for row in json.loads(out)] == [[1, 19, 0, 2], [2, 0, 19, None]]


def test_the_columns_of_an_export_and_the_codes_of_a_list_can_be_looked_up(outcomes):
    _, out, _ = outcomes("--json", "dictionary", "treatment_evaluation", "--export")
    columns = {e["column"]: e for e in json.loads(out)}
    assert columns["source_episode_id"]["required"] == "yes"
    assert columns["evaluated_on"]["form"] == "YYYY-MM-DD"
    assert columns["side_effect_codes"]["form"] == "text; several are separated by |"
    _, out, _ = outcomes("--json", "dictionary", "symptom")
    assert "muscle_weakness" in {entry["code"] for entry in json.loads(out)}


def test_a_source_that_cannot_be_read_is_one_message(home, outcomes, consents):
    (home / "sources" / "broken.yaml").write_text("name: [")
    code, _, err = outcomes("--workspace", home, "ingest", consents)
    assert code == 2
    assert "broken.yaml" in err


def test_json_holds_every_column_and_no_nan(home, outcomes, consents):
    outcomes("--workspace", home, "ingest", consents)
    _, out, _ = outcomes("--workspace", home, "--json", "query", "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS b")
    assert json.loads(out) == [{"a": 1, "a_2": 2, "b": None}]


def test_a_file_in_no_source_s_folder_is_pointed_out(home, outcomes):
    (home / "landing" / "loose.csv").write_text("x\n")
    _, out, _ = outcomes("--workspace", home, "status")
    assert "loose.csv: in no folder of a known source" in out


def test_status_names_links_and_folders_that_lie_where_files_are_taken(home, outcomes):
    landing = home / "landing" / "canonical"
    (landing / "more").mkdir(parents=True)
    (landing / "consent-link.csv").symlink_to(home / "outcomes.toml")
    (landing / "consent-a.csv.part").write_text("x")
    (home / "landing" / "floodlight").write_text("x")
    _, out, _ = outcomes("--workspace", home, "status")
    assert "canonical/more: a folder or a link, not a file, so never taken" in out
    assert "canonical/consent-link.csv: a folder or a link, not a file, so never taken" in out
    assert "floodlight: not a folder, so no file of that source can be taken" in out
    assert "consent-a" not in out


def test_a_report_can_be_of_the_year_up_to_an_earlier_day(home, outcomes):
    code, out, _ = outcomes("--workspace", home, "--json", "report", "--on", "2025-09-30")
    assert (code, json.loads(out)["as_of_at"]) == (0, "2025-09-30T23:59:59.999999+00:00")


def test_an_unreadable_file_says_how_it_is_taken_once_its_source_is_mended(home, outcomes, consents):
    path = consents.with_name("consent-latin.csv")
    path.write_bytes(consents.read_text().replace("given", "granté").encode("latin-1"))
    code, _, err = outcomes("--workspace", home, "ingest", path)
    assert code == 10
    assert "outcomes ingest --again 1" in " ".join(err.split())
    yaml = "name: canonical\ndescription: d\nencoding: latin-1\nfiles: [{match: 'consent*.csv', feeds: [consent]}]\n"
    (home / "sources" / "canonical.yaml").write_text(yaml)
    code, out, _ = outcomes("--workspace", home, "--json", "ingest", "--again", 1)
    (file,) = json.loads(out)["files"]
    assert (code, file["status"], file["counts"]["admitted_count"]) == (0, "admitted", 19)
