"""The visit sheet in real Chromium: one sheet on either paper however much it says, and no sideways scroll on a phone."""

import pytest
from visit_records import FULL, HOSTILE, NOW, ON, PARTIAL, SILENT, taken

from flows import pipeline
from flows.cohort import write_cohort
from flows.pages.visit import to_html
from flows.settings import open_workspace
from flows.visit.records import read_records
from flows.visit.sheet import make_sheet

pytestmark = pytest.mark.usefixtures("arial")
NAME = "Maria Hildegard van den Broek-Papadopoulos de la Fuente y Vega"[:60]
COHORT = [f"P{n:07}" for n in (4, 26, 39, 66, 69)]


@pytest.fixture(scope="module")
def page_of(tmp_path_factory, ready):
    """The sheet of a member, as text."""
    workspace = open_workspace(ready.copy("visit", tmp_path_factory.mktemp("print") / "ws", taken))
    write_cohort(workspace.folder("landing", "canonical"), 80)
    assert pipeline.ingest(workspace, now=NOW).exit_code == 0
    return lambda who: to_html(make_sheet(read_records(workspace, who, "canonical", ON), name=NAME, made_at=NOW))


def sheets(browser, page, folder, paper):
    """How many sheets of that paper the page prints to, on the margins of the page itself."""
    path = folder / f"{paper}.html"
    path.write_text(page.replace("</head>", f"<style>@page {{ size: {paper}; }}</style></head>"), encoding="utf-8")
    browser.open(path)
    return browser.pdf(path.with_suffix(".pdf"))


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize("who", [FULL, PARTIAL, HOSTILE, SILENT, *COHORT])
def test_it_prints_to_exactly_one_sheet(browser, page_of, tmp_path, who, paper):
    assert sheets(browser, page_of(who), tmp_path, paper) == 1


def test_a_second_sheet_would_be_counted(browser, page_of, tmp_path):
    page = page_of(PARTIAL).replace("</main>", "<p style='break-before: page'>more</p></main>")
    assert sheets(browser, page, tmp_path, "A4") == 2


MEASURE = """({
  wide: document.scrollingElement.scrollWidth,
  cut: [...document.querySelectorAll('tr.one > *, .cut')]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && e.textContent.trim()).map(e => e.textContent.trim()),
  bars: document.querySelectorAll('svg rect').length
})"""


def measured(browser, page, folder, width):
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    browser.open(path, width)
    assert browser.errors == []
    return browser.ask(MEASURE)


@pytest.mark.parametrize("who", [FULL, PARTIAL, HOSTILE])
def test_a_phone_of_400_pixels_does_not_scroll_sideways(browser, page_of, tmp_path, who):
    found = measured(browser, page_of(who), tmp_path, 400)
    assert found["wide"] <= 400
    assert found["bars"] > 0


def test_no_value_of_a_row_is_cut_on_a_wide_screen(browser, page_of, tmp_path):
    for who in (PARTIAL, COHORT[0], COHORT[4]):
        assert measured(browser, page_of(who), tmp_path, 1200)["cut"] == []
