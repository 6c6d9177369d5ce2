"""Files that are made, or have come to be, to break a reader: each has its defined end, and no record is lost in any."""

import gzip
import os
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from canonical import csv_text, record, write
from commands import outcomes
from faultlog import tried
from json_cases import CASES as JSON_CASES
from modes import IS_LONG

from flows.pipeline import ingest
from flows.settings import create_workspace, open_workspace

GOOD = csv_text([record("consent", f"c{n}") for n in range(40)])
HEADER, *LINES = GOOD.splitlines(keepends=True)
FIELDS = HEADER.strip().split(",")
LINE = LINES[0]
MANY = HEADER.strip() + "".join(f",extra{n}" for n in range(1500)) + "\n"
WIDE = HEADER.strip() + "".join(f",extra{n}" for n in range(10_000)) + "\n"


def renamed(old, new):
    return HEADER.replace(old, new) + "".join(LINES)


def one_more(header, value="x"):
    return HEADER.strip() + f",{header}\n" + "".join(line.strip() + f",{value}\n" for line in LINES)


def semicolons(text):
    return text.replace(",", ";")


# name of the file, content, status, (records read, taken, quarantined) where it was read
CASES = [
    ("mark", b"\xef\xbb\xbf" + GOOD.encode(), "admitted", (40, 40, 0)),
    ("utf16-le", GOOD.encode("utf-16"), "admitted", (40, 40, 0)),
    ("utf16-be", b"\xfe\xff" + GOOD.encode("utf-16-be"), "admitted", (40, 40, 0)),
    ("utf16-no-mark", GOOD.encode("utf-16-le"), "unreadable", None),
    ("cp1252-not-stated", GOOD.replace("patient c1,", "pati\xe9nt c1,").encode("cp1252"), "unreadable", None),
    ("nul", GOOD.encode() + b"\0", "unreadable", None),
    ("binary", bytes(range(256)) * 50, "unreadable", None),
    ("empty", b"", "unreadable", None),
    ("header-only", HEADER, "admitted", (0, 0, 0)),
    ("open-quote-in-the-middle", HEADER + LINE + '"never closed,' + "".join(LINES[1:]), "held", None),
    ("open-quote-at-the-end", GOOD + '"x', "held", None),
    ("too-few", GOOD + "x,y\n", "admitted", (41, 40, 1)),
    ("too-many", GOOD + LINE.strip() + ",1,2,3\n", "admitted", (41, 40, 1)),
    ("cut-off", GOOD[: -len(LINE) // 2], "held", None),
    ("no-line-break-at-the-end", GOOD.removesuffix("\n"), "admitted", (40, 40, 0)),
    ("quote-inside", GOOD + LINE.replace("patient c0", 'pat"ient'), "admitted", None),
    ("line-of-17-mb", GOOD + LINE.strip() + "y" * (17 << 20) + "\n", "admitted", (41, 40, 1)),
    ("line-of-40-mb-in-the-middle", HEADER + LINE.strip() + "y" * (40 << 20) + "\n" + "".join(LINES), "admitted", (41, 40, 1)),
    ("10000-columns", WIDE + "".join(line.strip() + "," * 10_000 + "\n" for line in LINES), "unreadable", None),
    ("1500-columns", MANY + "".join(line.strip() + "," * 1500 + "\n" for line in LINES), "admitted", (40, 40, 0)),
    ("column-twice", one_more(FIELDS[1]), "unreadable", None),
    ("unknown-column-twice", HEADER.strip() + ",e,e\n" + "".join(i.strip() + ",1,2\n" for i in LINES), "admitted", (40, 40, 0)),
    ("empty-column-name", one_more(""), "admitted", (40, 40, 0)),
    ("blank-column-name", one_more("   "), "admitted", (40, 40, 0)),
    ("sql-column", one_more("x''; DROP TABLE ops.file; --"), "admitted", (40, 40, 0)),
    ("quoted-sql-column", one_more('"a""; DROP SCHEMA history CASCADE; --"'), "admitted", (40, 40, 0)),
    ("formula-column", one_more("=cmd|' /C calc'!A0"), "admitted", (40, 40, 0)),
    ("html-column", one_more("<script>alert(1)</script>"), "admitted", (40, 40, 0)),
    ("control-column", one_more("\x1b]0;x\x07"), "admitted", (40, 40, 0)),
    ("header-case-and-blanks", renamed(FIELDS[0], f"  {FIELDS[0].upper()} "), "admitted", (40, 40, 0)),
    ("column-missing", renamed(FIELDS[0], "something"), "unreadable", None),
    ("semicolons-not-stated", semicolons(GOOD), "unreadable", None),
    ("tabs-not-stated", GOOD.replace(",", "\t"), "unreadable", None),
    ("cr", GOOD.replace("\n", "\r"), "admitted", (40, 40, 0)),
    ("crlf", GOOD.replace("\n", "\r\n"), "admitted", (40, 40, 0)),
    ("mixed-ends", HEADER + "".join(i.replace("\n", ("\r\n", "\n", "\r")[n % 3]) for n, i in enumerate(LINES)), "admitted", (40, 40, 0)),
    ("blank-lines", HEADER + "\n\n".join(LINES), "admitted", (40, 40, 0)),
    ("totals-row", GOOD + f"Total,{',' * (len(FIELDS) - 2)}40\n", "admitted", (41, 40, 1)),
    ("a-thousand-quotes", GOOD + '"' * 1000 + "\n", "admitted", (41, 40, 1)),
    ("same-line-often", HEADER + LINE.replace("c0", "own") * 40, "admitted", (40, 40, 0)),
    ("gzip", gzip.compress(GOOD.encode()), "admitted", (40, 40, 0)),
    ("gzip-in-two-members", gzip.compress(GOOD[:200].encode()) + gzip.compress(GOOD[200:].encode()), "admitted", (40, 40, 0)),
    ("gzip-utf16", gzip.compress(GOOD.encode("utf-16")), "admitted", (40, 40, 0)),
    ("zstd", pa.compress(GOOD.encode(), codec="zstd", asbytes=True), "admitted", (40, 40, 0)),
    ("gzip-cut-off", gzip.compress(os.urandom(9000))[:4000], "unreadable", None),
    ("gzip-damaged", gzip.compress(GOOD.encode())[:60] + b"\xff" * 60, "unreadable", None),
    ("gzip-in-gzip", gzip.compress(gzip.compress(GOOD.encode())), "unreadable", None),
    ("gzip-of-nothing", gzip.compress(b""), "unreadable", None),
    ("zip", b"PK\x03\x04" + b"x" * 100, "unreadable", None),
]  # fmt: skip
if IS_LONG:
    CASES += [
        ("line-of-100-mb", GOOD + LINE.strip() + "y" * (100 << 20) + "\n", "admitted", (41, 40, 1)),
        ("bomb", gzip.compress(b"\n" * (3 << 30), 9), "unreadable", None),
    ]


ALL_CASES = [*((name, "format: csv", *rest) for name, *rest in CASES), *JSON_CASES]


@pytest.fixture(scope="module")
def taken(tmp_path_factory, now):
    """What became of all of them, each a file of the source that says of what form it is: most hold the same 40 records."""
    root = create_workspace(tmp_path_factory.mktemp("hostile") / "ws").root
    (root / "outcomes.toml").write_text("data_docs = false\n")
    workspace = open_workspace(root)
    sources = {said: f"s{n}" for n, said in enumerate(dict.fromkeys(said for _, said, *_ in ALL_CASES))}
    for said, source in sources.items():
        write(
            root / "sources" / f"{source}.yaml",
            f"name: {source}\ndescription: x\nfiles: [{{match: '*', feeds: [consent]}}]\n{said}\n",
        )
    for name, said, content, *_ in ALL_CASES:
        write(workspace.folder("landing", sources[said]) / f"{name}.csv", content)
    tried("hostile files", len(ALL_CASES))
    return workspace, {f.file_name.removesuffix(".csv"): f for f in ingest(workspace, now=now).files}


@pytest.mark.parametrize(
    ("name", "status", "counts"), [(n, s, c) for n, _, _, s, c in ALL_CASES], ids=[c[0] for c in ALL_CASES]
)
def test_a_hostile_file_has_its_defined_end(taken, name, status, counts):
    workspace, outcomes = taken
    outcome = outcomes[name]
    assert outcome.status == status, outcome.reasons
    if status == "admitted":
        found = outcome.counts
        kinds = ("admitted", "unchanged", "duplicate", "quarantined", "out_of_scope")
        assert found["read_count"] == sum(found[f"{kind}_count"] for kind in kinds)
        assert found["read_count"] == found["independent_count"]
        if counts is not None:
            # A record of which another file has told the same is a duplicate.
            taken_count = found["admitted_count"] + found["duplicate_count"]
            assert (found["read_count"], taken_count, found["quarantined_count"]) == counts
        if name == "same-line-often":
            assert (found["admitted_count"], found["duplicate_count"]) == (1, 39)
    else:
        assert outcome.reasons
        assert all("\x1b" not in reason and "patient c" not in reason for reason in outcome.reasons)
    # Whatever was refused stands in quarantine with its own text.
    kept = workspace.root / "quarantine" / f"{outcome.source_system}-{outcome.file_key}.parquet"
    refused = [row for row in pq.read_table(kept).to_pylist() if row["action"] == "refuse"] if kept.exists() else []
    assert len({row["record_number"] for row in refused}) == outcome.counts.get("quarantined_count", 0)
    assert all(row["original"] for row in refused)
    # And every byte of it in the archive.
    assert (workspace.root / "archive" / outcome.source_system / outcome.sha256).is_file()


NAMES = [
    "consent-'quote'.csv",
    'consent-"double".csv',
    "consent-new\nline.csv",
    "consent-..csv",
    "consent-*?[a].csv",
    "consent-$(touch x)`id`;.csv",
    "consent-{x}%s.csv",
    "consent-\x1b[2J.csv",
    "consent-\u202evsc.csv",
    "consent-e\u0301.csv",
    "consent-\u00e9.csv",
    "consent-=1+1.csv",
    "consent-" + "n" * 243 + ".csv",
    "consent-plain.csv.gz",
]


def test_no_name_of_a_file_does_anything(workspace, now):
    landing = workspace.folder("landing", "canonical")
    for n, name in enumerate(NAMES):
        write(landing / name, csv_text([record("consent", f"{n}-{k}") for k in range(3)]))
    tried("hostile names", len(NAMES))
    before = set(workspace.root.parent.iterdir())
    found = ingest(workspace, now=now).files
    assert sorted(f.file_name for f in found) == sorted(NAMES)
    assert {f.status for f in found} == {"admitted"}
    assert set(workspace.root.parent.iterdir()) == before
    assert not list(landing.iterdir())


def test_a_long_name_can_be_named_on_the_command_line(workspace, now, tmp_path):
    path = write(tmp_path / ("consent-" + "n" * 243 + ".csv"), GOOD)
    (outcome,) = ingest(workspace, [path], now=now).files
    assert outcome.status == "admitted"


def test_what_is_no_file_is_left_alone(workspace, tmp_path, now):
    landing = workspace.folder("landing", "canonical")
    outside = write(tmp_path / "outside.csv", GOOD)
    (landing / "consent-link.csv").symlink_to(outside)
    (landing / "consent-dangling.csv").symlink_to(tmp_path / "nowhere")
    (landing / "consent-folder.csv").mkdir()
    os.mkfifo(landing / "consent-fifo.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        # A socket's path must be short.
        here = Path.cwd()
        os.chdir(landing)
        listening.bind("consent-socket.csv")
        os.chdir(here)
    before = {path.name for path in landing.iterdir()}
    tried("things that are no files", len(before))
    assert ingest(workspace, now=now).files == []
    assert {path.name for path in landing.iterdir()} == before
    assert outside.read_text() == GOOD


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "missing"])
def test_naming_what_is_no_file_is_one_error(workspace, tmp_path, kind):
    path = tmp_path / "consent.csv"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    done = outcomes(workspace.root, "ingest", path).wait()
    tried("things that are no files")
    assert done.returncode == 12, done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("how", ["grows", "vanishes", "is cut"])
def test_a_file_that_changes_while_it_is_read_waits(workspace, now, monkeypatch, how):
    from flows.stages import csv_records

    path = write(workspace.folder("landing", "canonical") / "consent.csv", GOOD)
    parse = csv_records.parse

    def change(*arguments):
        if how == "vanishes":
            path.unlink()
        else:
            with path.open("r+") as file:
                file.seek(0 if how == "is cut" else 0, 2)
                file.write(LINE) if how == "grows" else file.truncate(200)
        return parse(*arguments)

    monkeypatch.setattr(csv_records, "parse", change)
    tried("files that change")
    (outcome,) = ingest(workspace, now=now).files
    monkeypatch.undo()
    if how == "vanishes":
        # Our own link held it.
        assert outcome.status == "admitted"
        return
    assert outcome.status == "deferred"
    (outcome,) = ingest(workspace, now=now).files
    assert outcome.status == {"grows": "admitted", "is cut": "held"}[how]
