"""The report as its readers get it: one page, one CSV, one Parquet file."""

from __future__ import annotations

import csv
import io
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pyarrow.parquet as pq
import pytest

from flows.pages import charts
from flows.pages.quality import rule_in_words
from flows.pages.report import CAVEAT, to_csv, to_html, write_report
from flows.pipeline import ingest
from flows.settings import create_workspace
from flows.stages.build import build
from flows.stages.release import Cell, Release, SourceNote, decide, draft, publishable
from flows.warehouse import create_schema, warehouse, writing
from schemas.contract import contracts
from sql import statement, statements

AT = datetime(2025, 6, 30, tzinfo=UTC)
NOW = datetime(2025, 7, 2, 8, 30, tzinfo=UTC)
HOSTILE = '<script>alert(1)</script>"&'


class Page(HTMLParser):
    """What a reader meets: tables as lists of lines, headings, tags, all words outside style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.headings: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""
        self._stack: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "link", "br"):
            self._stack.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        if tag == "table":
            self.tables[self._caption] = self._rows
        while self._stack and self._stack.pop() != tag:
            pass

    def handle_data(self, data):
        inside = self._stack[-1] if self._stack else ""
        if inside == "style":
            return
        self.words.append(data)
        if inside == "caption":
            self._caption += data
        elif inside in ("td", "th"):
            self._rows[-1][-1] += data
        elif inside in ("h1", "h2", "h3"):
            self.headings.append((inside, data))

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def line(self, caption_starts: str, header: str) -> dict[str, str]:
        rows = next(rows for caption, rows in self.tables.items() if caption.startswith(caption_starts))
        found = next(row for row in rows if row[0] == header)
        return dict(zip(rows[0], found, strict=True))


@pytest.fixture
def con():
    with duckdb.connect(":memory:", config={"threads": "1"}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        for path in statements("macros"):
            opened.execute(statement(path))
        yield opened


def symptom(key: str, code: str, group: str, count: int, whole: str | None, **given) -> Cell:
    values = {
        "topic": "symptoms", "table_id": "symptom_severity", "position": 1.0, "dimension_1": "symptom", "value_1": code,
        "dimension_2": "severity", "value_2": group, "patient_set": None, "part_of": (), "unit": "patients", "has_interval": True,
        "is_expendable": False, "mart": "symptom_prevalence",
    }  # fmt: skip
    return Cell(cell_key=key, denominator_key=whole, cell_count=count, **(values | given))


def one_symptom(code: str, levels: dict[str, int]) -> list[Cell]:
    whole = f"{code} reporting"
    total = sum(levels.values())
    cells = [symptom(whole, code, "reporting", total, None, has_interval=False)]
    cells += [
        symptom(f"{code} {level}", code, level, n, whole, part_of=((whole, "severity"),)) for level, n in levels.items()
    ]
    worse = levels["moderate"] + levels["severe"]
    cells.append(symptom(f"{code} any", code, "any", total - levels["none"], whole))
    cells.append(symptom(f"{code} worse", code, "moderate_or_severe", worse, whole))
    return cells


def release_of(con, cells: list[Cell], **given) -> Release:
    hidden = decide(cells, 11).hidden
    frame = publishable(con, cells, hidden, 1, 3, AT)
    return replace(Release(1, 3, AT, NOW, 11, frame, date(2024, 7, 1), date(2025, 6, 30), "abc"), **given)


def members(count: int) -> list[Cell]:
    shape = {
        "topic": "who_reports",
        "table_id": "membership",
        "dimension_1": "member",
        "dimension_2": None,
        "has_interval": False,
    }
    return [
        symptom(key, value, None, count, None, **shape)
        for key, value in (("members", "members"), ("consented", "consented"), ("condition=ms", "reported_on"))
    ]


SOME = {"none": 50, "mild": 40, "moderate": 30, "severe": 3}


def test_suppressed_is_said_in_page_csv_and_parquet_and_never_zero(con, tmp_path):
    release = release_of(con, members(123) + one_symptom("fatigue", SOME))
    write_report(release, tmp_path)
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    line = page.line("Patients by severity", "Fatigue")
    assert line["Severe"] == "suppressed"
    assert "0" not in line.values()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "release.csv").read_text(encoding="utf-8"))))
    severe = [row for row in rows if row["value_2"] == "severe"]
    assert [(r["state"], r["n_patients"], r["value"], r["low"], r["high"]) for r in severe] == [
        ("suppressed", "", "", "", "")
    ] * 2
    table = pq.read_table(tmp_path / "release.parquet")
    severe = [row for row in table.to_pylist() if row["value_2"] == "severe"]
    assert [(r["state"], r["n_patients"], r["value"]) for r in severe] == [("suppressed", None, None)] * 2


def test_no_count_of_few_stands_anywhere_in_the_files(con, tmp_path):
    """7 patients in one level: neither 7, nor the share 7/127, nor what is left of the total by subtraction."""
    release = release_of(con, members(127) + one_symptom("fatigue", SOME | {"severe": 7}))
    write_report(release, tmp_path)
    for row in pq.read_table(tmp_path / "release.parquet").to_pylist():
        assert row["n_patients"] is None or row["n_patients"] == 0 or row["n_patients"] >= 11
    shares = [
        row["value"] for row in release.frame.to_pylist() if row["statistic"] == "share" and row["value"] is not None
    ]
    assert not [share for share in shares if 0 < round(share * 127) < 11 or 0 < round((1 - share) * 127) < 11]


def test_files_are_the_owners_alone(con, tmp_path):
    path = write_report(release_of(con, members(20)), tmp_path / "report")
    assert path == tmp_path / "report" / "index.html"
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in path.parent.iterdir()} == dict.fromkeys(
        ("index.html", "release.csv", "release.parquet"), "0o600"
    )


def test_hostile_values_are_words_and_nothing_else(con):
    release = release_of(
        con,
        members(123) + one_symptom(HOSTILE, SOME),
        sources=(SourceNote(HOSTILE, HOSTILE, "<b>we asked</b>"),),
    )
    html = to_html(release)
    page = Page(html)
    assert page.tags["script"] == page.tags["b"] == 0
    assert HOSTILE in page.text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_csv_starts_a_formula(con, start):
    text = to_csv(release_of(con, one_symptom(f"{start}1+1", SOME)))
    for row in csv.reader(io.StringIO(text)):
        assert not [value for value in row if value.startswith(start)]


def test_the_page_needs_nothing_else(con):
    html = to_html(release_of(con, members(123) + one_symptom("fatigue", SOME)))
    page = Page(html)
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    outside = [v for _, name, v in page.attributes if name in ("src", "href") and v and not v.startswith("#")]
    assert set(outside) == {"release.csv", "release.parquet"}
    assert not re.search(r"@import|url\((?!#)", html)


def test_charts_are_well_formed_and_described(con):
    html = to_html(release_of(con, members(123) + one_symptom("fatigue", SOME)))
    drawings = re.findall(r'<svg xmlns[^>]*role="img".*?</svg>', html, re.DOTALL)
    assert drawings
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        names = [child.tag.rpartition("}")[2] for child in root][:2]
        assert names == ["title", "desc"]
        for name in root.attrib["aria-labelledby"].split():
            assert name in ids


def test_headings_do_not_skip_a_level_and_tables_are_headed(con):
    page = Page(to_html(release_of(con, members(123) + one_symptom("fatigue", SOME))))
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert page.tags["table"] == page.tags["caption"] == len(page.tables)
    assert {value for tag, name, value in page.attributes if tag == "th" and name == "scope"} <= {
        "col",
        "row",
        "rowgroup",
    }
    assert page.tags["th"] == sum(1 for tag, name, _ in page.attributes if tag == "th" and name == "scope")


def test_the_page_says_when_whom_and_that_it_shows_no_effect(con):
    page = Page(to_html(release_of(con, members(123) + one_symptom("fatigue", SOME))))
    text = page.text
    assert CAVEAT in text
    for words in ("30 June 2025", "1 July 2024 to 30 June 2025", "batch 3", "123", "365 days"):
        assert words in text
    assert not re.search(r"\b(works|worked|caused|causes|proves?|proven|effective)\b", text, re.IGNORECASE)


def test_nothing_admitted_yet_gives_a_page_that_says_so(con, tmp_path):
    create_schema(con, "test")
    build(con, 0, AT)
    release = draft(con, as_of_batch=0, as_of_at=AT, now=NOW, minimum_cell=11)
    page = Page(write_report(release, tmp_path).read_text(encoding="utf-8"))
    nothing = "There is nothing to show: nobody who may be counted reported on this"
    assert page.text.count(f"{nothing} between 1 July 2024 and 30 June 2025.") == 2
    assert page.text.count(f"{nothing} up to 30 June 2025.") == 1
    assert "No file has been admitted yet." in page.text
    assert page.line("From all members", "All members")["Patients"] == "0"


LONG = "Secondary progressive MS, relapsing or not, and more words"


@pytest.mark.parametrize("width", [charts.WIDE, charts.NARROW])
@pytest.mark.parametrize("label", [LONG, LONG.replace(" ", ""), "W" * 60])
def test_no_label_meets_a_bar_or_the_note(width, label):
    bar = charts.Segment(1.0, charts.ACCENT, "")
    row = charts.Row(label, "1,307 · 16 %", "one suppressed", segments=(bar,), is_indented=True)
    svg = charts.draw([row], width=width, title="t", description="d", chart_id="c")
    words = [e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("}text") and e.text]
    lines = [word for word in words if word.replace(" ", "") in label.replace(" ", "")]
    assert "".join(lines).replace(" ", "") == label.replace(" ", "")
    room = 196 if width == charts.WIDE else width - charts._width(row.note) - charts._width(row.held)
    assert max(map(charts._width, lines)) < room - 14


def test_what_is_suppressed_has_no_size_on_the_axis():
    svg = charts.draw([charts.Row("a", held="suppressed")], width=charts.WIDE, title="t", description="d", chart_id="c")
    (chip,) = re.findall(rf'd="M([\d.]+)[^"]*"[^>]*fill="{charts.HATCH}"', svg) or re.findall(
        rf'fill="{charts.HATCH}"[^>]*d="M([\d.]+)', svg
    )
    assert float(chip) > charts.WIDE - 196 - 130


def test_a_stacked_bar_shows_each_part_at_its_place_or_not_at_all():
    def shares(*parts, whole=1.0):
        bar = charts.stacked([(part, str(at), "") for at, part in enumerate(parts)], whole)
        return [(s.fill if not s.is_suppressed else "held", round(s.share, 6)) for s in bar]

    assert shares(0.5, 0.3, 0.2, 0.0) == [("0", 0.5), ("1", 0.3), ("2", 0.2)]
    assert shares(0.4, None, None, 0.2) == [("0", 0.4), ("held", 0.4), ("3", 0.2)]
    assert shares(0.4, None, 0.1, None) == [("0", 0.4), ("held", 0.6)]
    assert shares(None, 0.5, 0.3, None) == [("held", 1.0)]
    assert shares(None, 0.2, 0.1, whole=0.4) == [("held", 0.4)]


@pytest.mark.parametrize(
    "hidden, words",
    [
        ({"members"}, "members agreed to be counted; how many members there are is suppressed."),
        ({"consented"}, "How many of the 123 members agreed to be counted is suppressed."),
        (
            {"members", "consented"},
            "How many members there are, and how many of them agreed to be counted, is suppressed.",
        ),
        (set(), "123 of 123 members agreed to be counted."),
    ],
)
def test_the_header_is_a_sentence_whatever_is_suppressed(con, hidden, words):
    frame = publishable(con, members(123), frozenset(hidden), 1, 3, AT)
    text = Page(to_html(release_of(con, [], frame=frame))).text
    assert words in text
    assert "of suppressed" not in text


def test_a_chart_of_a_single_value_is_a_sentence_and_both_suppressed_is_said(con):
    cells = (
        members(127)
        + one_symptom("fatigue", SOME)
        + one_symptom("pain", {"none": 3, "mild": 4, "moderate": 2, "severe": 4})
    )
    html = to_html(release_of(con, cells))
    assert "both suppressed" in html
    assert "In the table only, since the share of “None” is suppressed: 1 of 2 symptoms." in Page(html).text
    html = to_html(
        release_of(con, members(127) + one_symptom("pain", {"none": 3, "mild": 4, "moderate": 2, "severe": 4}))
    )
    assert 'role="img"' not in html
    assert Page(html).text.count("There is no chart, since there is no value to draw.") >= 2


def treatment(name: str, takers: int, levels: dict[str, int]) -> list[Cell]:
    rated = sum(levels.values())
    given = rated - levels.get("cant_tell", 0)
    counts = {"takers": takers, "rated": rated, "major_or_moderate": levels.get("major", 0) + levels.get("moderate", 0)}
    counts |= {"level_given": given} | {
        level: levels.get(level, 0) for level in ("major", "moderate", "slight", "none", "cant_tell")
    }
    shape = {
        "topic": "treatments",
        "table_id": "treatment_native",
        "dimension_1": "treatment for purpose",
        "dimension_2": "rating",
    }
    wholes = {"takers": None, "rated": "takers", "level_given": "rated", "major_or_moderate": "level_given"}
    return [
        symptom(f"{name} {group}", name, group, count, f"{name} {whole}" if (whole := wholes.get(group, "rated")) else None, **shape)
        for group, count in counts.items()
    ]  # fmt: skip


def test_what_nobody_rated_is_a_sentence_and_no_row(con):
    levels = {"major": 20, "moderate": 30, "slight": 20, "none": 20, "cant_tell": 20}
    cells = treatment("baclofen for cramps", 40, {}) + treatment("yoga for stiffness", 150, levels)
    page = Page(to_html(release_of(con, cells)))
    for caption in ("Patients by rating", "Share rated major or moderate"):
        rows = next(rows for name, rows in page.tables.items() if name.startswith(caption))
        assert [row[0] for row in rows[1:]] == ["For stiffness", "Yoga"]
    assert "Taken or done, but rated by nobody, for cramps: Baclofen." in page.text
    assert "Left out, since nobody gave a level: 1 of 2 pairs of treatment and purpose." in page.text


def test_every_rule_is_in_words():
    for contract in contracts():
        for check in contract.row_checks():
            assert "_" not in rule_in_words(contract.table, check.name)
    assert (
        rule_in_words("symptom_report", "reported_on_in_future") == "Symptom reports: day of the report in the future"
    )
    assert rule_in_words("elsewhere", "some_rule") == "elsewhere: some rule"


# The whole way


def cohort(folder: Path) -> list[Path]:
    """90 patients who agreed and 20 who did not, each with up to three reports of fatigue."""
    g = random.Random(7)
    folder.mkdir()
    head = "source_record_id,source_patient_id,source_updated_at,is_deleted"
    patients, consents, reports = [f"{head},condition_code,sex,ms_course"], [f"{head},scope,status,effective_at"], []
    reports.append(f"{head},symptom_code,reported_on,severity,body_region")
    for number in range(110):
        name = f"p{number}"
        patients.append(f"{name},{name},,,ms,{g.choice(['female', 'male'])},rrms")
        status = "granted" if number < 90 else "withdrawn"
        consents.append(f"c{number},{name},,,aggregate_release,{status},2024-01-01T00:00:00Z")
        for turn in range(g.randrange(4)):
            day = date(2025, g.randrange(1, 7), g.randrange(1, 29))
            reports.append(
                f"r{number}-{turn},{name},,,fatigue,{day},{g.choice(['none', 'mild', 'moderate', 'severe'])},legs"
            )
    texts = {"patient": patients, "consent": consents, "symptom_report": reports}
    paths = []
    for name, lines in texts.items():
        path = folder / f"{name}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


@pytest.mark.filterwarnings("ignore")
def test_a_figure_of_the_page_follows_from_the_delivered_csv(tmp_path):
    files = cohort(tmp_path / "in")
    workspace = create_workspace(tmp_path / "ws")
    assert ingest(workspace, files, now=NOW).exit_code == 0
    with writing(workspace, "test"), warehouse(workspace) as con:
        build(con, 1, AT)
        release = draft(con, as_of_batch=1, as_of_at=AT, now=NOW, minimum_cell=11)
        stored = con.execute("SELECT status, cell_count, suppressed_count FROM ops.release").fetchone()
        kept = con.execute("SELECT * FROM ops.release_cell").to_arrow_table()
        again = draft(con, as_of_batch=1, as_of_at=AT, now=NOW, minimum_cell=11)
    page = Page(write_report(release, tmp_path / "out").read_text(encoding="utf-8"))

    # By hand, from the text: the latest day of each consented patient, on one day the newest record wins or, equal, any one.
    granted = {
        row["source_patient_id"]
        for row in csv.DictReader(files[1].open(encoding="utf-8"))
        if row["status"] == "granted"
    }
    latest: dict[str, tuple[str, set[str]]] = {}
    for row in csv.DictReader(files[2].open(encoding="utf-8")):
        name, on = row["source_patient_id"], row["reported_on"]
        if name in granted:
            day, seen = latest.get(name, ("", set()))
            latest[name] = (
                (on, {row["severity"]}) if on > day else (day, seen | {row["severity"]}) if on == day else (day, seen)
            )
    assert not [name for name, (_, seen) in latest.items() if len(seen) > 1], "the example must not depend on a tie"
    expected = Counter(next(iter(seen)) for _, seen in latest.values())
    assert min(expected.values()) >= 11
    line = page.line("Patients by severity", "Fatigue")
    assert {level: line[level.capitalize()] for level in expected} == {level: str(n) for level, n in expected.items()}
    assert line["Reported on it (n)"] == str(sum(expected.values()))

    assert stored == ("draft", release.frame.num_rows, release.suppressed_count)
    assert kept.to_pylist() == release.frame.to_pylist()
    # The same report asked again is the same release.
    assert (again.release_id, again.released_at) == (release.release_id, release.released_at)
    assert again.frame == release.frame
