"""The visit sheet in real Chromium: one sheet on either paper however much it says, and no sideways scroll on a phone."""

from datetime import UTC, datetime

import pytest
from printing import needs_chromium, page_count, print_to_pdf, run
from visit_records import FULL, HOSTILE, ON, PARTIAL, SILENT, deliver

from flows import pipeline
from flows.cohort import write_cohort
from flows.pages.visit import to_html
from flows.settings import create_workspace, open_workspace
from flows.visit.records import read_records
from flows.visit.sheet import make_sheet

pytestmark = needs_chromium
NOW = datetime(2025, 10, 1, 12, tzinfo=UTC)
NAME = "Maria Hildegard van den Broek-Papadopoulos de la Fuente y Vega"[:60]
COHORT = [f"P{n:07}" for n in (4, 26, 39, 66, 69)]


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """The sheet of a member, as text."""
    root = create_workspace(tmp_path_factory.mktemp("print") / "ws").root
    (root / "outcomes.toml").write_text("data_docs = false\n")
    workspace = open_workspace(root)
    deliver(workspace.folder("landing", "canonical"))
    assert pipeline.ingest(workspace, now=NOW).exit_code == 0
    write_cohort(workspace.folder("landing", "canonical"), 80)
    assert pipeline.ingest(workspace, now=NOW).exit_code == 0
    return lambda who: to_html(make_sheet(read_records(workspace, who, "canonical", ON), name=NAME, made_at=NOW))


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize("who", [FULL, PARTIAL, HOSTILE, SILENT, *COHORT])
def test_it_prints_to_exactly_one_sheet(page_of, tmp_path, who, paper):
    assert page_count(print_to_pdf(page_of(who), tmp_path, paper)) == 1


def test_a_second_sheet_would_be_counted(page_of, tmp_path):
    page = page_of(PARTIAL).replace("</main>", "<p style='break-before: page'>more</p></main>")
    assert page_count(print_to_pdf(page, tmp_path, "A4")) == 2


MEASURE = """
<script>
addEventListener('error', event => { document.title = 'error ' + event.message; });
addEventListener('load', () => {
  const wide = document.scrollingElement.scrollWidth, cut = [...document.querySelectorAll('tr.one > *, .cut')]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && e.textContent.trim()).map(e => e.textContent.trim());
  document.title = JSON.stringify({wide, cut, bars: document.querySelectorAll('svg rect').length});
});
</script></body>
"""


def measured(page, folder, width):
    import json
    import re

    # A window is at least 500 px wide, so a phone is a frame of its width.
    (folder / "page.html").write_text(page.replace("</body>", MEASURE), encoding="utf-8")
    (folder / "frame.html").write_text(
        f"<iframe src=page.html style='width:{width}px;height:3000px;border:0'></iframe>"
        "<script>addEventListener('load', () => { document.title = frames[0].document.title; });</script>"
    )
    text = run(folder, "--allow-file-access-from-files", "--dump-dom", (folder / "frame.html").as_uri())
    return json.loads(re.search(r"<title>(.*?)</title>", text).group(1).replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.parametrize("who", [FULL, PARTIAL, HOSTILE])
def test_a_phone_of_400_pixels_does_not_scroll_sideways(page_of, tmp_path, who):
    found = measured(page_of(who), tmp_path, 400)
    assert found["wide"] <= 400
    assert found["bars"] > 0


def test_no_value_of_a_row_is_cut_on_a_wide_screen(page_of, tmp_path):
    for who in (PARTIAL, COHORT[0], COHORT[4]):
        assert measured(page_of(who), tmp_path, 1200)["cut"] == []
