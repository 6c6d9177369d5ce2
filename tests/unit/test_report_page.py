"""The report as its readers get it: a site of static pages, one CSV, one Parquet file."""

from __future__ import annotations

import csv
import io
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
import yaml
from report_cells import (
    AT,
    NOW,
    RATINGS,
    cell,
    connection,
    course_topic,
    known_topics,
    members,
    one_symptom,
    release_of,
    rich_cells,
    treatment,
    with_statistics,
)  # fmt: skip

from flows.pages import charts, svg
from flows.pages.figures import Place, figures_of
from flows.pages.frame import Frame
from flows.pages.quality import rule_in_words
from flows.pages.report import CAVEAT, to_csv, write_report
from flows.pages.site import make_pages
from flows.pages.words import capital, dimension_words, n_of, statistic_words, table_cell
from flows.pipeline import ingest
from flows.settings import create_workspace
from flows.stages.build import build
from flows.stages.frame import publishable
from flows.stages.release import SourceNote, draft
from flows.warehouse import create_schema, warehouse, writing
from schemas.contract import contracts
from schemas.topics import Topic, TopicTable, topics

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
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((tag, ""))
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
        if inside in ("style", "script"):
            return
        self.words.append(data)
        if inside == "caption":
            self._caption += data
        elif inside in ("td", "th"):
            self._rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def rows(self, caption_starts: str) -> list[list[str]]:
        return next(rows for caption, rows in self.tables.items() if caption.startswith(caption_starts))


@pytest.fixture
def con():
    with connection() as opened:
        yield opened


def site(release, known=None) -> dict[str, Page]:
    return {
        name: Page(text) for name, text in make_pages(release, {"release.csv": 1, "release.parquet": 1}, known).items()
    }


SOME = {"none": 50, "mild": 40, "moderate": 30, "severe": 3}


def test_suppressed_is_said_in_page_csv_and_parquet_and_never_zero(con, tmp_path):
    write_report(release_of(con, members(123) + one_symptom("fatigue", SOME)), tmp_path)
    for name in ("symptoms.html", "symptom-fatigue.html"):
        page = Page((tmp_path / name).read_text(encoding="utf-8"))
        rows = page.rows("How severe")
        (severe,) = [row for row in rows if "Severe" in row]
        assert severe[-2:] == ["suppressed", "suppressed"]
        assert "0" not in severe
    rows = list(csv.DictReader(io.StringIO((tmp_path / "release.csv").read_text(encoding="utf-8"))))
    severe = [row for row in rows if row["value_2"] == "severe"]
    assert [(r["state"], r["n_patients"], r["value"], r["low"], r["high"]) for r in severe] == [
        ("suppressed", "", "", "", "")
    ] * 2
    table = pq.read_table(tmp_path / "release.parquet")
    severe = [row for row in table.to_pylist() if row["value_2"] == "severe"]
    assert [(r["state"], r["n_patients"], r["value"]) for r in severe] == [("suppressed", None, None)] * 2


def test_suppressed_zero_not_estimable_and_absent_are_four_things():
    row = {"statistic": "mean", "unit": "points", "state": "shown", "value": None, "low": None, "high": None}
    assert table_cell(row).text == "not estimable"
    assert table_cell(row | {"state": "suppressed"}).text == "suppressed"
    assert table_cell(row | {"statistic": "count", "value": 0.0}).text == "0"
    assert table_cell(row | {"value": -0.001}).text == "0.0"
    assert table_cell(row | {"value": -1.25, "low": -2.0, "high": 0.5}, 2).text == "−1.25 (−2.00 to 0.50)"
    assert table_cell(None).text == "–"


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


def test_pages_know_nothing_but_the_frame(con):
    """Every number of patients in a table of a page is one that the frame shows."""
    release = release_of(con, rich_cells())
    shown = {
        f"{row['value']:,.0f}"
        for row in release.frame.to_pylist()
        if row["statistic"] == "count" and row["value"] is not None
    }
    shown |= {f"{row['denominator']:,}" for row in release.frame.to_pylist() if row["denominator"] is not None}
    shown |= {"suppressed", "–"}
    for name, page in site(release, known_topics()).items():
        for rows in page.tables.values():
            for at, head in enumerate(rows[0]):
                if head in ("Patients", "n"):
                    assert {row[at] for row in rows[1:] if len(row) > at} <= shown, name


def test_files_are_the_owners_alone(con, tmp_path):
    path = write_report(release_of(con, members(20)), tmp_path / "report")
    assert path == tmp_path / "report" / "index.html"
    names = {p.name for p in path.parent.iterdir()}
    assert {
        "index.html",
        "methods.html",
        "downloads.html",
        "data_quality.html",
        "release.csv",
        "release.parquet",
    } <= names
    assert {oct(p.stat().st_mode & 0o777) for p in path.parent.iterdir()} == {"0o600"}


def test_there_is_a_page_for_every_topic_and_every_subject(con):
    found = site(release_of(con, rich_cells()), known_topics())
    expected = {f"{topic.topic}.html" for topic in known_topics()} | {
        "index.html",
        "methods.html",
        "downloads.html",
        "release-note.html",
    }
    expected |= {f"symptom-{code}.html" for code in ("fatigue", "muscle_weakness", "pain", "bowel", "spasticity")}
    expected |= {f"treatment-{code}.html" for code in ("baclofen", "yoga", "cane")} | {"instrument-msws_12.html"}
    assert set(found) == expected
    text = found["symptom-fatigue.html"].text
    assert (
        "210 patients reported on it. In their latest report, 76 % had it, and 57 % had it moderately or severely."
        in text.replace("\u00a0", " ")
    )


def test_a_table_that_no_topic_names_is_shown_all_the_same(con):
    cells = members(200) + [cell("a", 30, None, topic="news", table_id="some_news", value_1="one", dimension_1="thing")]
    page = site(release_of(con, cells))["news.html"]
    assert page.rows("Some news")[1] == ["One", "30"]


def test_every_table_of_a_topic_that_is_in_the_release_is_on_its_page(con):
    """And whatever stands in the frame stands in a table of some page, but what the topic says is within another."""
    release = release_of(con, rich_cells())
    found = site(release, known_topics())
    unlisted = {name for topic in known_topics() for name in topic.unlisted}
    for row in release.frame.to_pylist():
        if row["statistic"] == "count" and row["table_id"] not in unlisted:
            cells = {text for rows in found[f"{row['topic']}.html"].tables.values() for line in rows for text in line}
            number = "suppressed" if row["state"] == "suppressed" else f"{row['value']:,.0f}"
            assert number in cells, row


def test_hostile_values_are_words_and_nothing_else(con):
    release = release_of(
        con,
        members(123) + one_symptom(HOSTILE, SOME) + one_symptom("pain", SOME),
        sources=(SourceNote(HOSTILE, HOSTILE, "<b>we asked</b>"),),
    )
    found = site(release)
    for name, page in found.items():
        assert page.tags["script"] == 1 and page.tags["b"] == 0, name
    assert HOSTILE in found["symptoms.html"].text and HOSTILE in found["methods.html"].text
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+\.html", name) for name in found)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_csv_starts_a_formula(con, start):
    text = to_csv(release_of(con, one_symptom(f"{start}1+1", SOME, subject=False)))
    for row in csv.reader(io.StringIO(text)):
        assert not [value for value in row if value.startswith(start)]


def test_a_page_needs_nothing_else_and_lets_nothing_else_in(con):
    texts = make_pages(release_of(con, rich_cells()), {"release.csv": 1}, known_topics())
    for name, html in texts.items():
        page = Page(html)
        assert page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
        outside = [v.partition("#")[0] for _, key, v in page.attributes if key in ("src", "href") and v]
        assert set(outside) - {""} <= set(texts) | {"release.csv"}, name
        assert not re.search(r"@import|url\((?!#)", html)
        (policy,) = [v for _, key, v in page.attributes if key == "content" and v.startswith("default-src")]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
        assert not [key for _, key, _ in page.attributes if key.startswith("on")]


def test_charts_are_well_formed_and_described(con):
    texts = make_pages(release_of(con, rich_cells()), {}, known_topics())
    count = 0
    for html in texts.values():
        drawings = re.findall(r'<svg xmlns[^>]*role="img".*?</svg>', html, re.DOTALL)
        count += len(drawings)
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids))
        for drawing in drawings:
            root = ElementTree.fromstring(drawing)
            names = [child.tag.rpartition("}")[2] for child in root][:2]
            assert names == ["title", "desc"]
            for name in root.attrib["aria-labelledby"].split():
                assert name in ids
    assert count > 40


def test_headings_do_not_skip_a_level_and_tables_are_headed(con):
    for page in site(release_of(con, rich_cells()), known_topics()).values():
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


def test_no_colour_alone_tells_levels_or_what_is_suppressed(con):
    """Each level has its name above its place, each bar its number; hatching comes with a word."""
    html = make_pages(release_of(con, rich_cells()), {}, known_topics())["symptoms.html"]
    drawing = re.search(r'<svg xmlns[^>]*aria-labelledby="symptom-severity-levels-wide-t.*?</svg>', html, re.DOTALL)[0]
    texts = [element.text for element in ElementTree.fromstring(drawing).iter() if element.tag.endswith("text")]
    assert {"None", "Mild", "Moderate", "Severe", "Moderate or severe", "Suppressed levels, together"} <= set(texts)
    assert "24" in texts and "suppressed" in texts


def test_pages_say_when_whom_and_that_they_show_no_effect(con):
    found = site(release_of(con, rich_cells()), known_topics())
    for page in found.values():
        assert CAVEAT in page.text
        assert not re.search(r"\b(works|worked|caused|causes|proves?|proven|effective)\b", page.text, re.IGNORECASE)
    text = f"{found['index.html'].text} {found['methods.html'].text}"
    for words in ("30 June 2025", "1 July 2024 to 30 June 2025", "batch 3", "400", "365 days"):
        assert words in text


def test_no_topic_claims_an_effect():
    for topic in topics():
        text = yaml.safe_dump(topic.model_dump(mode="json"), allow_unicode=True)
        assert not re.search(r"\b(works|worked|proves?|proven|no side effects)\b", text, re.IGNORECASE), topic.topic


def test_nothing_admitted_yet_gives_pages_that_say_so(con, tmp_path):
    create_schema(con, "test")
    build(con, 0, AT)
    write_report(draft(con, as_of_batch=0, as_of_at=AT, now=NOW, minimum_cell=11), tmp_path)

    def text(name):
        return Page((tmp_path / name).read_text(encoding="utf-8"))

    nothing = "There is nothing to show: nobody who may be counted reported on this from 1 July 2024 to 30 June 2025."
    for name in ("symptoms.html", "weakness.html", "treatments.html"):
        assert nothing in text(name).text
    assert "No file has been admitted yet." in text("data_quality.html").text
    assert dict(text("who_reports.html").rows("How many members")[1:])["All members"] == "0"


LONG = "Secondary progressive MS, relapsing or not, and more words"


@pytest.mark.parametrize("width", [charts.WIDE, charts.NARROW])
@pytest.mark.parametrize("label", [LONG, LONG.replace(" ", ""), "W" * 60])
def test_no_label_meets_a_bar_or_the_note(width, label):
    bar = charts.Mark(1.0, css="accent", is_bar=True)
    row = charts.Row(label, "1,307 · 16 %", "one suppressed", marks=(bar,), is_indented=True)
    drawn = charts.draw([row], width=width, title="t", description="d", chart_id="c")
    words = [e.text for e in ElementTree.fromstring(drawn).iter() if e.tag.endswith("}text") and e.text]
    lines = [word for word in words if word.replace(" ", "") in label.replace(" ", "")]
    assert "".join(lines).replace(" ", "") == label.replace(" ", "")
    room = 208 if width == charts.WIDE else width - svg.text_width(row.note) - charts.held_width(row)
    assert max(map(svg.text_width, lines)) < room - 14


def test_what_is_suppressed_has_no_size_on_the_axis():
    rows = [charts.Row("a", held="suppressed"), charts.Row("b", "50 %", marks=(charts.Mark(0.5, is_bar=True),))]
    drawn = ElementTree.fromstring(charts.draw(rows, width=charts.WIDE, title="t", description="d", chart_id="c"))
    (chip,) = [e for e in drawn.iter() if e.get("class") == charts.HATCH]
    grid = [float(re.match(r"M([\d.]+)", e.get("d"))[1]) for e in drawn.iter() if e.get("class") in ("grid", "zero")]
    assert float(chip.get("x")) > max(grid)


def test_a_stacked_bar_shows_each_part_at_its_place_or_not_at_all():
    def shares(*parts, whole=1.0):
        bar = charts.stacked([(part, str(at)) for at, part in enumerate(parts)], whole)
        return [(s.css if not s.is_suppressed else "held", round(s.share, 6)) for s in bar]

    assert shares(0.5, 0.3, 0.2, 0.0) == [("0", 0.5), ("1", 0.3), ("2", 0.2)]
    assert shares(0.4, None, None, 0.2) == [("0", 0.4), ("held", 0.4), ("3", 0.2)]
    assert shares(0.4, None, 0.1, None) == [("0", 0.4), ("held", 0.6)]
    assert shares(None, 0.5, 0.3, None) == [("held", 1.0)]
    assert shares(None, 0.2, 0.1, whole=0.4) == [("held", 0.4)]


@pytest.mark.parametrize(
    ("values", "reference", "ticks"),
    [
        ([-3.2, 1.6], 0.0, (-4, -2, 0, 2)),
        ([0.8, 1.9], 1.0, (0.5, 1, 1.5, 2)),
        ([7.0], None, (0, 2, 4, 6, 8)),
        ([0.0], 0.0, None),
    ],
)
def test_an_axis_spans_all_values_and_that_of_no_change_in_round_steps(values, reference, ticks):
    axis = charts.round_axis(values, str, reference)
    assert axis.low <= min([*values, reference or 0 if reference is None else reference]) and axis.high >= max(values)
    assert axis.low < axis.high and 2 <= len(axis.ticks) <= 7
    assert ticks is None or axis.ticks == ticks


def figure(con, cells, place=None, **given):
    frame = Frame.of(release_of(con, cells))
    known = course_topic()
    spec = TopicTable(**({"title": "T", "of_whom": "Some."} | given))
    (found,) = figures_of(frame, known, spec, place or Place("topic"), set())
    return found


def texts_of(drawn: str) -> list[str]:
    return [e.text for e in ElementTree.fromstring(drawn).iter() if e.tag.endswith("}text")]


def test_an_estimate_stands_beside_the_line_of_no_change_and_says_what_cannot_be_estimated(con):
    found = figure(
        con,
        rich_cells(),
        id="change_after_start",
        chart="estimates",
        statistic="mean_change",
        columns=("count", "mean_change"),
    )
    texts = texts_of(found.wide)
    assert "−3.25 (−4.45 to −2.05) · n = 120" in texts
    assert "not estimable" in texts and "suppressed" in texts and "0" in texts
    assert found.table.columns == ("Treatment", "Patients", "Mean change (points, 95 %)")
    assert [row.cells[1].text for row in found.table.rows] == [
        "−3.25 (−4.45 to −2.05)",
        "0.40 (−0.80 to 1.60)",
        "not estimable",
        "suppressed",
    ]
    assert found.subtitle == "Some. In points."


def test_points_of_one_scale_are_not_drawn_on_the_axis_of_another(con):
    """0.4 of the 6 points of one scale is not less than 3 of the 100 of the other."""
    cells = []
    for code in ("yoga", "cane"):
        for scale, change in (("fss v1 total", 0.4), ("msws_12 v1 total", 3.0)):
            shape = {
                "topic": "change",
                "table_id": "change_mean",
                "dimension_1": "instrument_scale",
                "has_interval": False,
            }
            base = cell(f"{code} {scale}", 50, None, value_1=scale, subject_kind="treatment", subject=code, **shape)
            cells.append(
                with_statistics(base, ("mean_change", change, change - change / 4, change + change / 4, "points"))
            )
    found = figure(con, cells, id="change_mean", chart="estimates", statistic="mean_change")
    for drawn in (found.wide, found.narrow):
        ticks = [text for text in texts_of(drawn) if re.fullmatch(r"[−0-9.]+", text)]
        assert ticks == ["0.0", "0.2", "0.4", "0.6", "0", "1", "2", "3", "4"]
        points = [float(e.get("cx")) for e in ElementTree.fromstring(drawn).iter() if e.tag.endswith("}circle")]
        assert len(points) == 4 and points[0] == points[1] and points[2] == points[3]
        assert points[0] / points[2] == pytest.approx(1, abs=0.2)


def test_a_line_has_a_gap_and_hatching_where_it_is_suppressed(con):
    given = {"id": "severity_by_quarter", "chart": "series"}
    found = figure(
        con,
        rich_cells(),
        Place(
            "subject",
            next(s for s in Frame.of(release_of(con, rich_cells())).subjects("symptom") if s.code == "fatigue"),
        ),
        **given,
    )
    drawn = found.wide
    assert drawn.count('class="held"') == 1
    assert [e for e in re.findall(r'class="curve c0" d="([^"]+)"', drawn) if e.count("L") == 1]
    assert {"Q3 2024", "Q4 2024", "Q1 2025", "Q2 2025"} <= set(texts_of(drawn))
    assert found.table.rows[2].cells[0].text == "suppressed"
    assert "Hatched: suppressed at that time." in found.notes


def test_a_curve_falls_in_steps_and_only_where_something_is_known(con):
    found = figure(
        con, rich_cells(), id="time_on_treatment", chart="curve", statistic="still_on", columns=("still_on",)
    )
    paths = re.findall(r'class="curve c\d" d="([^"]+)"', found.wide)
    for path in paths:
        points = [tuple(map(float, point.split())) for point in path[1:].split("L")]
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in zip(points, points[1:], strict=False))
    assert found.subtitle == "Some. At the start n from 80 to 100."
    assert len(paths) == 2 and "suppressed" in [c.text for row in found.table.rows for c in row.cells]


def test_a_body_is_shaded_where_weakness_is_felt_and_hatched_where_it_is_suppressed(con):
    found = figure(con, rich_cells(), id="weakness_by_region", chart="body", drawn=("any",))
    classes = Counter(re.findall(r'class="(\w+) edge"', found.wide))
    # One path each for face and torso, two for arms and legs: 55, 31 and 22 % of an axis of 80 %; the face too few.
    assert classes == {"held": 1, "r3": 2, "r1": 3}
    assert "suppressed" in texts_of(found.wide) and "Face" in texts_of(found.wide)
    assert "55 % (48–61)" in texts_of(found.wide)


def test_more_lines_than_can_be_told_apart_are_small_charts(con):
    cells = []
    for at, code in enumerate(("fatigue", "pain", "bowel", "spasticity", "balance")):
        shape = {"subject_kind": "symptom", "subject": code, "value_1": code, "dimension_2": "quarter", "table_id": "q"}
        for quarter in ("2024-Q3", "2024-Q4"):
            whole = f"{code} {quarter}"
            cells.append(cell(whole, 100, None, **(shape | {"table_id": "all", "value_2": quarter})))
            cells.append(cell(f"{whole} x", 30 + at, whole, value_2=quarter, **shape))
    found = figure(con, cells, id="q", chart="series")
    assert found.draw is None
    assert [panel.title for panel in found.panels] == [
        "Fatigue",
        "Pain",
        "Bowel problems",
        "Spasticity",
        "Balance problems",
    ]


def test_a_line_without_the_figure_is_not_drawn_and_counted_in_a_note(con):
    cells = rich_cells() + [cell("other", 50, None, topic="change", table_id="change_after_start", dimension_1="treatment",
                                 value_1="walker", has_interval=False, subject_kind="instrument", subject="msws_12")]  # fmt: skip
    found = figure(con, cells, id="change_after_start", chart="estimates", statistic="mean_change")
    assert "Walker" not in texts_of(found.wide) and "Walker" in [row.header for row in found.table.rows]
    assert "1 of 5 lines have no such figure, and stand in the table only." in found.table_notes


def test_a_table_over_days_has_them_in_the_order_of_time(con):
    found = figure(con, rich_cells(), id="time_on_treatment", columns=("still_on",))
    assert found.table.columns == ("Treatment", "0 (95 %)", "90 (95 %)", "180 (95 %)", "365 (95 %)")


def test_lines_are_ordered_by_the_lower_limit_where_the_topic_says_so(con):
    cells = [cell("all", 400, None, table_id="w"), cell("few", 60, None, table_id="v")]
    cells += [
        cell("a", 20, "all", value_1="a", table_id="t"),
        cell("b", 45, "few", value_1="b", table_id="t"),
        cell("c", 240, "all", value_1="c", table_id="t"),
    ]
    rows = figure(con, cells, id="t", chart="bars", order="low").table.rows
    assert [row.header for row in rows] == ["B", "C", "A"]


@pytest.mark.parametrize(
    ("hidden", "words"),
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
    text = site(release_of(con, [], frame=frame))["index.html"].text
    assert words in text
    assert "of suppressed" not in text


def test_a_chart_of_a_single_value_is_a_sentence_and_both_suppressed_is_said(con):
    few = {"none": 3, "mild": 4, "moderate": 2, "severe": 4}
    html = make_pages(release_of(con, members(127) + one_symptom("fatigue", SOME) + one_symptom("pain", few)), {})[
        "symptoms.html"
    ]
    assert "both suppressed" in html
    levels = re.search(r'<svg xmlns[^>]*aria-labelledby="symptom-severity-levels-wide-t.*?</svg>', html, re.DOTALL)[0]
    assert {"Pain", "suppressed"} <= set(texts_of(levels))
    html = make_pages(release_of(con, members(127) + one_symptom("pain", few)), {})["symptoms.html"]
    assert 'role="img"' not in html
    assert Page(html).text.count("There is no chart, since there is no value to draw.") >= 2


def test_levels_without_a_place_are_said_to_stand_in_the_table(con):
    """Major is suppressed, slight is not: there are values, but none that could be drawn at its place."""
    levels = {"major": 5, "moderate": 30, "slight": 43, "none": 14, "cant_tell": 16}
    found = figure(
        con,
        members(400) + treatment("amantadine", "fatigue", 234, levels),
        id="treatment_*", dimension="treatment for purpose", chart="levels", columns=("count",),
        drawn=("major", "moderate", "slight", "none", "cant_tell"),
    )  # fmt: skip
    assert not found.is_drawn and "the first level is suppressed" in found.undrawn
    assert "43" in [cell.text for row in found.table.rows for cell in row.cells]


def test_what_nobody_rated_is_a_sentence_and_no_row_of_a_chart(con):
    cells = members(400) + treatment("baclofen", "cramps", 40, {}) + treatment("yoga", "stiffness", 150, RATINGS)
    cells += treatment("cane", "stiffness", 150, RATINGS)
    html = make_pages(release_of(con, cells), {}, known_topics())["treatments.html"]
    for name in ("treatment-native-levels", "treatment-native-bars-2"):
        drawing = re.search(rf'<svg xmlns[^>]*aria-labelledby="{name}-wide-t.*?</svg>', html, re.DOTALL)[0]
        assert {"Yoga", "Cane", "For stiffness"} <= set(texts_of(drawing))
        assert not {"Baclofen", "For cramps"} & set(texts_of(drawing))
    assert "In the table only, since nobody is in them: Baclofen (for cramps)." in Page(html).text


def test_a_figure_of_an_earlier_release_has_a_dagger_and_the_methods_say_what_it_means(con):
    release = release_of(con, members(127) + one_symptom("fatigue", SOME | {"severe": 30}))
    rows = release.frame.to_pylist()
    for row in rows:
        if row["value_2"] == "severe" and row["statistic"] == "count":
            row["as_of_batch"] = 2
    frame = type(release.frame).from_pylist(rows, schema=release.frame.schema)
    found = site(release_of(con, [], frame=frame))
    assert "30†" in [text for row in found["symptom-fatigue.html"].rows("How severe") for text in row]
    assert "What † means" in found["methods.html"].text


@pytest.mark.parametrize("path", topics(), ids=lambda topic: topic.topic)
def test_a_topic_says_of_whom_each_table_is(path: Topic):
    for table in path.tables:
        assert table.title and table.of_whom.rstrip().endswith((".", "%", ")")), table.table_id
        assert table.chart == "table" or table.columns
        # A list in brackets parts a sentence at its commas: then one part does not begin or end as a sentence does.
        for note in table.notes:
            assert note.rstrip().endswith((".", "%", ")")) and not note[0].islower() or note.startswith("n "), note


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
    write_report(release, tmp_path / "out")
    page = Page((tmp_path / "out" / "symptom-fatigue.html").read_text(encoding="utf-8"))

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
    line = {row[0]: row[1] for row in page.rows("How severe fatigue is")}
    assert {level: line[level.capitalize()] for level in expected} == {level: str(n) for level, n in expected.items()}
    assert line["Reported on it"] == str(sum(expected.values()))

    assert stored == ("draft", release.frame.num_rows, release.suppressed_count)
    assert kept.to_pylist() == release.frame.to_pylist()
    # The same report asked again is the same release.
    assert (again.release_id, again.released_at) == (release.release_id, release.released_at)
    assert again.frame == release.frame


def test_no_share_is_written_of_what_is_none():
    row = {"statistic": "q_value", "unit": "probability", "state": "shown", "value": 0.158, "low": None, "high": None}
    assert table_cell(row).text == "0.158"
    assert table_cell(row | {"value": 0.0001}).text == "< 0.001"
    assert [table_cell(row | {"unit": "flag", "value": value}).text for value in (0.0, 1.0)] == ["no", "yes"]
    assert [table_cell(row | {"unit": "sign", "value": v}).text for v in (-1.0, 0.0, 1.0)] == [
        "less",
        "neither",
        "more",
    ]
    points = row | {"statistic": "difference_from_others", "unit": "share", "value": 0.485, "low": 0.435, "high": 0.527}
    assert table_cell(points).text == "48.5 (43.5–52.7)"
    assert statistic_words(None, "difference_from_others", [points]) == (
        "Difference from others (percentage points, 95 %)"
    )
    assert table_cell(points | {"statistic": "any_other"}).text == "48.5 % (43.5–52.7)"


def test_a_word_with_capitals_of_its_own_keeps_them_at_the_beginning():
    assert [capital(text) for text in ("nrSPMS", "eICU of a clinic", "legs", "MSWS-12", "")] == [
        "nrSPMS",
        "eICU of a clinic",
        "Legs",
        "MSWS-12",
        "",
    ]


def test_a_shrunk_share_is_of_those_it_is_a_share_of():
    row = {"statistic": "shrunk_share", "state": "shown", "n_patients": 137, "denominator": 224}
    assert n_of(row) == 224
    assert n_of(row | {"statistic": "mean_change"}) == 137


def reading(arrow: str, value: str, slope: float, unit: str):
    shape = {"topic": "loop", "table_id": "loop_reading", "dimension_1": "loop_arrow", "dimension_2": "loop_reading"}
    base = cell(f"{arrow} {value}", 163, None, value_1=arrow, value_2=value, has_interval=False, **shape)
    return with_statistics(base, ("slope", slope, slope - abs(slope) / 2, slope + abs(slope) / 2, unit))


def test_small_and_large_values_of_several_units_each_have_their_decimals_and_unit(con):
    """0.001 levels per minute is not nothing because another line of the column is in minutes."""
    cells = [
        reading("fatigue_to_activity", "consistent", -12.5, "minutes a week per level"),
        reading("activity_to_weakness", "not_consistent", -0.00114, "levels per minute a week"),
    ]
    table = figure(con, cells, id="loop_reading", title="Is it so?", columns=("count", "slope")).table
    assert table.caption == "Is it so? Some. n = 163."
    assert table.columns == ("Step of the circle", "Reading", "Patients", "Slope (95 %)")
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["Consistent with the circle", "163", "−12.5 (−18.8 to −6.2) minutes a week per level"],
        ["Not consistent with the circle", "163", "−0.0011 (−0.0017 to −0.0006) levels per minute a week"],
    ]


def test_a_column_that_no_line_has_is_not_there_nor_the_name_of_what_the_table_is_about(con):
    """Only some groups have a second statistic; the group that is drawn is named by the title."""
    shape = {"topic": "weakness", "table_id": "t", "dimension_1": "course", "dimension_2": "severity"}
    cells = []
    for code in ("nrspms", "primary"):
        cells.append(cell(f"{code} all", 300, None, value_1=code, value_2="reporting", has_interval=False, **shape))
        worse = cell(f"{code} worse", 90, f"{code} all", value_1=code, value_2="moderate_or_severe", **shape)
        cells.append(with_statistics(worse, ("standardised_share", 0.4, 0.3, 0.5, "share")))
    given = {"id": "t", "chart": "bars", "drawn": ("moderate_or_severe",)}
    columns = figure(con, cells, columns=("count", "standardised_share"), **given).table.columns
    assert columns == (
        "Course",
        "Reported on it: patients",
        "Moderate or severe: patients",
        "Moderate or severe: standardised share (95 %)",
    )
    only = [found for found in cells if found.value_2 == "moderate_or_severe"]
    only = [replace(found, denominator_key=None) for found in only]
    assert figure(con, only, columns=("count",), **given).table.columns == ("Course", "Patients")


def test_every_dimension_of_the_topics_has_words_of_its_own():
    """A heading made from the name of a column of the release ("Dmt status") is no word a reader knows."""
    named = {name for topic in topics() for name in topic.words if "_" in name}
    # What is on no page as a heading: parts of a dose, and groups that stand in the words of others.
    beside = {"source_family", "dose_unit", "dose_period", "loop_blame"}
    without = {name for name in named - beside if dimension_words(name) == name.replace("_", " ").capitalize()}
    assert without <= {"perceived_cause", "years_since_onset", "years_since_diagnosis", "years_since_progression"}


def test_two_points_of_one_row_say_of_how_many_each_is_and_do_not_cover_each_other(con):
    shape = {
        "topic": "weakness",
        "table_id": "t",
        "dimension_1": "beside",
        "value_1": "fatigue",
        "dimension_2": "weakness",
    }
    cells = []
    for value, whole, count in (("moderate_or_severe", 124, 100), ("none_or_mild", 156, 124)):
        cells.append(cell(f"{value} all", whole, None, **(shape | {"table_id": "all", "value_2": value})))
        cells.append(cell(value, count, f"{value} all", value_2=value, **shape))
        cells.append(
            cell(f"falls {value}", count - 40, f"{value} all", value_2=value, **(shape | {"value_1": "falls"}))
        )
    found = figure(con, cells, id="t", chart="bars", drawn=("moderate_or_severe", "none_or_mild"))
    for drawn in (found.wide, found.narrow):
        assert "n = 124, 156" in texts_of(drawn)
        points = [float(e.get("cy")) for e in ElementTree.fromstring(drawn).iter() if e.tag.endswith("}circle")]
        assert len(set(points)) == len(points)
    assert any("the first is that of the dark point" in note for note in found.notes)


def test_a_score_is_drawn_on_all_of_its_scale_and_a_change_on_what_there_is(con):
    """3.7 of 8 steps must not stand at the end of an axis of 4."""
    cells = []
    # Whoever scored it, the scale is the same.
    for scale, score in (("pdds v1 step", 3.7), ("fss v1 mean source", 4.4)):
        shape = {"topic": "instruments", "table_id": "t", "dimension_1": "instrument_scale", "has_interval": False}
        base = cell(scale, 50, None, value_1=scale, subject_kind="instrument", subject=scale.split()[0], **shape)
        cells.append(with_statistics(base, ("mean_score", score, score - 0.1, score + 0.1, "points")))
    given = {"id": "t", "chart": "estimates", "statistic": "mean_score"}
    ticks = [t for t in texts_of(figure(con, cells, is_whole_scale=True, **given).wide) if re.fullmatch(r"\d+", t)]
    assert ticks == ["0", "2", "4", "6", "8", "1", "3", "5", "7"]
    ticks = [t for t in texts_of(figure(con, cells, **given).wide) if re.fullmatch(r"\d+", t)]
    assert "8" not in ticks and "7" not in ticks


@pytest.mark.parametrize("width", [charts.WIDE, charts.NARROW])
@pytest.mark.parametrize(("count", "times"), [(14, 1), (15, 2)])
def test_ticks_stand_above_a_long_chart_as_well(width, count, times):
    rows = [charts.Row(f"line {at}", marks=(charts.Mark(0.4),)) for at in range(count)]
    drawn = charts.draw(rows, width=width, title="t", description="d", chart_id="c")
    assert texts_of(drawn).count("75 %") == times


def test_a_single_value_says_what_else_is_suppressed_and_how_to_read_it(con):
    shape = {"topic": "treatments", "table_id": "t", "dimension_1": "dose"}
    cells = [cell("all", 200, None, **(shape | {"table_id": "all", "dimension_1": "member", "value_1": "members"}))]
    cells += [
        cell(value, n, "all", value_1=value, **shape) for value, n in (("20 50 mg day", 120), ("50 100 mg day", 5))
    ]
    found = figure(con, cells, id="t", chart="bars", notes=("It is no advice.",))
    assert found.undrawn == "20 to under 50 mg a day: 60 % (53–67). What else there is, is suppressed."
    assert found.notes == ("It is no advice.",)
    assert figure(con, cells[:2], id="t", chart="bars").undrawn == "20 to under 50 mg a day: 60 % (53–67)."


def test_figures_made_in_one_way_are_named_together(con):
    release = release_of(con, [
        with_statistics(base, ("mean_change", 1.0, None, None, "points"), ("score_sd", 2.0, None, None, "points"))
        for base in rich_cells() if base.table_id == "change_after_start"
    ])  # fmt: skip
    assert "Mean change; standard deviation: by hand" in site(release, known_topics())["methods.html"].text


def scores_over_days() -> list:
    """Medians of two scales before and after a start, by days that do not sort as text."""
    cells = []
    for scale, scores in (("fss v1 mean", (4.4, 4.3, 4.2, 4.1)), ("msws_12 v1 total", (58.0, 56.0, 54.0, 50.0))):
        shape = {
            "topic": "change",
            "table_id": "t",
            "dimension_1": "instrument_scale",
            "dimension_2": "days_after_start",
        }
        for days, score in zip(("0", "90", "180", "365"), scores, strict=True):
            base = cell(f"{scale} {days}", 50, None, value_1=scale, value_2=days, has_interval=False, **shape)
            cells.append(with_statistics(base, ("median_score", score, None, None, "points")))
    return cells


def test_days_of_a_series_stand_in_their_order_and_each_scale_in_a_chart_of_its_own(con):
    """As text 90 stands after 365; and 4 of the 7 points of one scale are not less than 50 of the 100 of another."""
    found = figure(con, scores_over_days(), id="t", chart="series", statistic="median_score")
    assert not found.is_drawn
    assert [panel.title for panel in found.panels] == [
        "Fatigue Severity Scale",
        "12-item Multiple Sclerosis Walking Scale, version 1",
    ]
    for panel in found.panels:
        points = [e for e in ElementTree.fromstring(panel.svg).iter() if e.tag.endswith("}circle")]
        xs, ys = ([float(point.get(name)) for point in points] for name in ("cx", "cy"))
        assert len(xs) == 4 and xs == sorted(xs)
        # Scores fall, so that points go down; from day 180 to 365 is about twice as far as to 180 from 90.
        assert ys == sorted(ys)
        assert (xs[3] - xs[2]) / (xs[2] - xs[1]) == pytest.approx(185 / 90, rel=0.02)
    assert "60" in texts_of(found.panels[1].svg) and "60" not in texts_of(found.panels[0].svg)
    assert "4.1" in texts_of(found.panels[0].svg) and "50.0" in texts_of(found.panels[1].svg)


def test_lines_of_one_scale_stay_in_one_chart(con):
    cells = [found for found in scores_over_days() if found.value_1.startswith("fss")]
    assert figure(con, cells, id="t", chart="series", statistic="median_score").is_drawn


@pytest.mark.parametrize("width", [charts.WIDE, charts.NARROW])
def test_a_long_heading_stays_within_the_chart(width):
    heading = (
        "Ankle-foot orthosis: 12-item Multiple Sclerosis Walking Scale, version 1, and words that need a second line"
    )
    rows = [charts.Row(heading, is_heading=True), charts.Row("line", marks=(charts.Mark(0.4),))]
    drawn = charts.draw(rows, width=width, title="t", description="d", chart_id="c")
    bold = [e.text for e in ElementTree.fromstring(drawn).iter() if "bold" in (e.get("class") or "")]
    assert " ".join(bold) == heading
    assert all(svg.text_width(text) <= width for text in bold)
