"""The visit sheet from the command line: whose it is, what it leaves behind, and what its errors give away."""

import json
import os
import re
from functools import cache
from html.parser import HTMLParser

import pytest
from canonical import record, write_csv
from commands import outcomes
from visit_records import FULL, HOSTILE, NOW, ON, PARTIAL, SILENT, taken

from flows import pipeline
from flows.settings import create_workspace, open_workspace
from flows.stages.forgotten import pseudonym


@pytest.fixture(scope="module")
def ws(tmp_path_factory, ready):
    return open_workspace(ready.copy("visit", tmp_path_factory.mktemp("visit") / "ws", taken))


def call(workspace, *words, given="", **environment):
    """The command in a process of its own."""
    return outcomes(workspace.root, *words, given=given, env={**os.environ, **environment}).wait()


@cache
def sheet(workspace, who, *words):
    done = call(workspace, "visit-sheet", who, "--on", ON, *words)
    assert done.returncode == 0, done.err
    return done.out


@cache
def data(workspace, who, on=ON):
    done = call(workspace, "--json", "visit-sheet", who, "--on", on)
    assert done.returncode == 0, done.err
    return json.loads(done.out)


class Words(HTMLParser):
    """The words that a reader sees, and the elements that stand in the page."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.tags, self.attributes = [], set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).replace("\xa0", " ").split())


def tree(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_sheet_is_one_file_without_script_or_anything_fetched(ws):
    page = sheet(ws, FULL)
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert re.findall(r"(?:https?:)?//[a-z]", page) == []
    assert not {"script", "img", "link", "iframe", "object", "a"} & Words(page).tags
    assert "url(" not in page


def test_neither_id_nor_pseudonym_stands_on_it(ws):
    who = pseudonym(ws.key(), "canonical", FULL)
    for text in (sheet(ws, FULL), call(ws, "--json", "visit-sheet", FULL, "--on", ON).out):
        assert FULL not in text
        assert str(who) not in text
        assert who.hex not in text


def test_a_name_stands_on_it_only_if_the_caller_types_one(ws):
    assert "Dr No" not in sheet(ws, PARTIAL)
    page = sheet(ws, PARTIAL, "--name", "Dr No <b>&\u202e")
    assert "Dr No &lt;b&gt;&amp;" in page
    assert "\u202e" not in page
    done = call(ws, "visit-sheet", PARTIAL, "--name", "x" * 61)
    assert done.returncode == 2
    assert "x" * 61 not in done.err


def test_the_id_is_read_from_standard_input_so_that_it_is_in_no_history(ws):
    done = call(ws, "visit-sheet", "-", "--on", ON, given=f"{PARTIAL}\n")
    assert done.returncode == 0
    assert done.out == sheet(ws, PARTIAL)
    assert call(ws, "visit-sheet", "-", given="\n").returncode == 2


def test_to_writes_a_new_file_for_its_owner_only(ws, tmp_path):
    path = tmp_path / "sheet.html"
    done = call(ws, "visit-sheet", PARTIAL, "--on", ON, "--to", path)
    assert done.returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text(encoding="utf-8") == sheet(ws, PARTIAL)
    assert PARTIAL not in done.out + done.err


def test_to_overwrites_nothing_not_even_what_a_link_points_to(ws, tmp_path):
    path, link = tmp_path / "kept.html", tmp_path / "link.html"
    path.write_text("kept")
    link.symlink_to(tmp_path / "elsewhere.html")
    for target in (path, link):
        done = call(ws, "visit-sheet", PARTIAL, "--on", ON, "--to", target)
        assert done.returncode == 2
        assert "not overwritten" in done.err
    assert path.read_text() == "kept"
    assert not (tmp_path / "elsewhere.html").exists()


@pytest.mark.parametrize("place", ["published/sheet.html", "sheet.html", "published/report/../sheet.html"])
def test_to_refuses_a_place_in_the_workspace(ws, place):
    (ws.root / "published" / "report").mkdir(exist_ok=True)
    before = tree(ws.root)
    done = call(ws, "visit-sheet", PARTIAL, "--on", ON, "--to", ws.root / place)
    assert done.returncode == 2
    assert "outside" in done.err
    assert tree(ws.root) == before


def test_to_refuses_the_published_folder_under_another_name(ws, tmp_path):
    (tmp_path / "door").symlink_to(ws.root / "published")
    done = call(ws, "visit-sheet", PARTIAL, "--on", ON, "--to", tmp_path / "door" / "sheet.html")
    assert done.returncode == 2
    assert not (ws.root / "published" / "sheet.html").exists()


def test_a_sheet_leaves_nothing_in_the_workspace(ws, tmp_path):
    before = tree(ws.root)
    call(ws, "visit-sheet", FULL, "--on", ON)
    call(ws, "visit-sheet", FULL, "--on", ON, "--to", tmp_path / "s.html")
    assert tree(ws.root) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["visit-sheet", "member-unknown-9"], 12, "nobody is known by that id under source 'canonical'"),
        (["visit-sheet", "member-unknown-9", "--source", "nowhere"], 2, "unknown source 'nowhere'"),
        (["visit-sheet", FULL, "--source", "floodlight"], 12, "nobody is known"),
    ],
)
def test_an_error_has_its_code_one_message_and_no_id(ws, words, code, said):
    for prefix in ([], ["--json"]):
        done = call(ws, *prefix, *words)
        assert done.returncode == code
        text = done.out + done.err
        assert said in text
        assert words[1] not in text
        assert "Traceback" not in text
        assert len(text.strip().splitlines()) == 1


def test_a_wrong_key_is_said_to_be_one_and_a_missing_one_too(ws):
    done = call(ws, "visit-sheet", FULL, OUTCOMES_KEY="ab" * 32)
    assert done.returncode == 2
    assert "another key" in done.err
    kept = (ws.root / "key").rename(ws.root / "key.away")
    try:
        done = call(ws, "visit-sheet", FULL)
    finally:
        kept.rename(ws.root / "key")
    assert done.returncode == 12
    assert "key is missing" in done.err


def test_nothing_published_is_said(tmp_path):
    done = call(create_workspace(tmp_path / "new"), "visit-sheet", FULL)
    assert done.returncode == 12
    assert "nothing is published" in done.err


def test_a_date_known_in_part_is_printed_in_part(ws):
    text = Words(sheet(ws, PARTIAL)).text
    assert "since Mar 2025, confirmed 20 Sep 2025" in text
    assert "1 Mar 2025" not in text
    assert "2024 to Jun 2025" in text
    assert "1 Jun 2025" not in text
    assert "1 Jan 2024" not in text
    assert "since 6 May 2024" in text
    assert "Relapses reported: Apr 2025, full recovery" in text


def test_withdrawn_consent_to_aggregates_leaves_a_member_their_own_page(ws):
    assert [line["symptom_code"] for line in data(ws, PARTIAL)["symptoms"]] == ["muscle_weakness"]


def test_a_deleted_report_is_not_on_it_and_of_two_words_on_one_day_the_newest_is(ws):
    found = data(ws, PARTIAL)
    assert "tremor" not in {line["symptom_code"] for line in found["symptoms"]}
    (line,) = found["symptoms"]
    assert (line["body_region"], line["then"]["word"], line["now"]["word"], line["change"]) == (
        "legs",
        "mild",
        "severe",
        2,
    )
    assert found["always_none"] == ["Pain"]


def test_the_latest_rating_counts(ws):
    (baclofen,) = [line for line in data(ws, PARTIAL)["treatments"] if line["treatment_code"] == "baclofen"]
    assert [(r["purpose"], r["effectiveness"], r["on"]) for r in baclofen["ratings"]] == [
        ("spasticity", "slight", "2025-08-05")
    ]


def test_what_comes_after_the_day_of_the_sheet_is_not_on_it(ws):
    found = data(ws, PARTIAL, on="2025-07-31")
    assert found["period"] == {"start": "2024-08-01", "end": "2025-07-31"}
    assert "2025-09" not in json.dumps(found)
    (baclofen,) = [line for line in found["treatments"] if line["treatment_code"] == "baclofen"]
    assert baclofen["ratings"][0]["effectiveness"] == "moderate"
    # Its stop lies before that day.
    assert [line["is_current"] for line in found["treatments"] if line["treatment_code"] == "yoga"] == [False]
    # On the day before it the treatment was in use.
    may = data(ws, PARTIAL, on="2025-05-31")
    assert [line["is_current"] for line in may["treatments"] if line["treatment_code"] == "yoga"] == [True]


def test_words_of_the_member_s_own_cannot_become_markup(ws):
    page = sheet(ws, HOSTILE)
    seen = Words(page)
    assert not {"script", "img", "b"} & seen.tags
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert "49" not in seen.text
    assert "\u202e" not in page
    assert "script alert own word script…*" in seen.text
    assert "the member's own word, in no code list" in seen.text


def test_a_year_without_a_report_is_said_to_be_one(ws):
    text = Words(sheet(ws, SILENT)).text
    assert "Nothing was reported in these 12 months. The last record of any kind is of 4 Mar 2021." in text
    done = call(ws, "visit-sheet", SILENT, "--on", "2021-03-31")
    assert "Nothing was reported" not in done.out


def test_what_does_not_fit_is_named_or_counted(ws):
    text, found = Words(sheet(ws, FULL)).text, data(ws, FULL)
    assert len(found["symptoms"]) > 11
    assert "Also reported, as of the latest report:" in text
    assert "Other scores, the latest:" in text
    assert "Other treatments:" in text
    (more,) = re.findall(r"(\d+) more by the same rules", text)
    # Each question carries its rule in brackets, which nothing else on the page does.
    shown = sum(f"({question['rule']})" in text and question["text"] in text for question in found["questions"])
    assert shown + int(more) == len(found["questions"])


def test_it_says_that_nobody_has_verified_it_and_claims_no_effect(ws):
    for who in (FULL, PARTIAL, HOSTILE, SILENT):
        text = Words(sheet(ws, who)).text.lower()
        assert "self-reported and unverified" in text
        for claim in (
            "works",
            "worked",
            "caused",
            "proves",
            "no side effects",
            "effective",
            "helps",
            "helped",
            "should",
            "recommend",
        ):
            assert not re.search(rf"\b{claim}\b", text), claim


def test_json_says_the_same_as_the_page(ws):
    page, found = Words(sheet(ws, FULL)).text, data(ws, FULL)
    for line in found["symptoms"][:6]:
        assert line["label"] in page
    for line in found["scores"][:3]:
        assert line["change"]["sentence"] in page
    for question in found["questions"][:3]:
        assert question["text"] in page


def test_the_forgotten_have_no_sheet(workspace):
    landing = workspace.folder("landing", "canonical")
    names = ["member-keeps-01", "member-leaves-02"]
    write_csv(landing / "patient.csv", [record("patient", n, source_patient_id=n) for n in names])
    pipeline.ingest(workspace, now=NOW)
    assert call(workspace, "visit-sheet", names[1]).returncode == 0
    pipeline.forget(workspace, names[1], "canonical", now=NOW)
    done = call(workspace, "visit-sheet", names[1])
    assert done.returncode == 12
    assert names[1] not in done.out + done.err
    assert call(workspace, "visit-sheet", names[0]).returncode == 0
