"""The report in a real browser: nothing fails, nothing is fetched, everything is drawn, read and sorted."""

import csv
import json

import pyarrow.parquet as pq
import pytest

WIDTHS = (400, 760, 1200, 1900)
DRAWN_AT = (400, 1200)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
CHARTS = """[...document.querySelectorAll('.chart svg')].filter((svg) => svg.checkVisibility()).map((svg) => {
  const box = svg.getBoundingClientRect();
  const outside = [...svg.querySelectorAll('text')].filter((text) => {
    const inner = text.getBoundingClientRect();
    return inner.left < box.left - 3 || inner.right > box.right + 3 || inner.top < box.top - 3 || inner.bottom > box.bottom + 3;
  }).map((text) => text.textContent);
  const texts = [...svg.querySelectorAll('text:not(.on)')].map((text) => [text.textContent, text.getBoundingClientRect()]);
  const met = [];
  texts.forEach(([a, x], i) => texts.slice(i + 1).forEach(([b, y]) => {
    const wide = Math.min(x.right, y.right) - Math.max(x.left, y.left);
    const high = Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top);
    if (wide > 1 && high > 4) met.push(`${a} / ${b}`);
  }));
  return {title: svg.querySelector('title').textContent, shapes: svg.querySelectorAll('rect, path, circle').length,
          width: box.width, height: box.height, outside, met};
})"""


@pytest.fixture(scope="module")
def visits(browser, folder):
    """Every page, opened once and seen at every width: what failed, what was fetched, where it leads, what is drawn."""
    found = {}
    for page in sorted(folder.glob("*.html")):
        browser.open(page, WIDTHS[0])
        browser.ask(OPEN_ALL)
        charts, overflow = {}, {}
        for width in WIDTHS:
            browser.resize(width)
            overflow[width] = browser.ask(OVERFLOW)
            if width in DRAWN_AT:
                charts[width] = browser.ask(CHARTS)
        hrefs = browser.ask("[...document.links].map((link) => link.getAttribute('href'))")
        found[page] = {
            "errors": browser.errors, "requests": browser.requests, "hrefs": hrefs, "charts": charts, "overflow": overflow,
        }  # fmt: skip
    return found


def test_every_page_opens_without_error_or_request(visits):
    assert len(visits) > 15
    for page, seen in visits.items():
        assert seen["errors"] == [], page.name
        assert seen["requests"] == [page.as_uri()], page.name


def test_no_link_is_dead(visits, folder):
    for page, seen in visits.items():
        for href in seen["hrefs"]:
            name, _, anchor = href.partition("#")
            target = folder / name if name else page
            assert target.is_file(), f"{page.name}: {href}"
            if anchor:
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{page.name}: {href}"


def test_every_page_can_be_reached_from_the_overview(visits, folder):
    reached, todo = set(), ["index.html"]
    while todo:
        name = todo.pop()
        if name not in reached and name.endswith(".html"):
            reached.add(name)
            todo += [href.partition("#")[0] or name for href in visits[folder / name]["hrefs"]]
    assert reached == {page.name for page in visits}


def test_no_page_scrolls_sideways_at_any_width(visits):
    for page, seen in visits.items():
        assert max(seen["overflow"].values()) <= 0, (page.name, seen["overflow"])


KINDS = {
    "How many have each symptom", "How severe fatigue is", "Where patients feel weakness", "Share rating each treatment major or moderate",
    "Change of each instrument after the start", "Fatigue: moderate or severe, by quarter", "How long baclofen goes on",
}  # fmt: skip


@pytest.mark.parametrize("width", DRAWN_AT)
def test_charts_are_drawn_and_their_words_neither_meet_nor_leave_the_chart(visits, width):
    seen = set()
    for page, found in visits.items():
        for chart in found["charts"][width]:
            assert chart["width"] > 100 and chart["height"] > 30 and chart["shapes"] > 3, (page.name, chart)
            assert chart["outside"] == [] and chart["met"] == [], (page.name, width, chart)
            seen.add(chart["title"])
    assert seen >= KINDS


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_suppressed_is_hatched_and_said_in_both_themes(browser, folder, scheme):
    browser.media(scheme=scheme)
    try:
        browser.open(folder / "weakness.html")
        held = "[...document.querySelectorAll('.chart.wide .held')].map((part) => getComputedStyle(part).fill)"
        assert set(browser.ask(held)) == {'url("#hatch")'}
        assert (
            browser.ask(
                "[...document.querySelectorAll('.chart.wide text')].filter((t) => t.textContent === 'suppressed').length"
            )
            > 0
        )
    finally:
        browser.media()


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const light = (colour) => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
  const paper = getComputedStyle(document.body).backgroundColor;
  const found = [];
  for (const text of document.querySelectorAll('p, h1, h2, h3, li, dt, dd, td, th, summary, a, svg text')) {
    if (!text.checkVisibility() || !text.textContent.trim()) continue;
    const style = getComputedStyle(text);
    const ground = text.classList.contains('on') ? getComputedStyle(text.ownerSVGElement.querySelector('rect.' + text.getAttribute('class').match(/on-(\\w+)/)[1])).fill : paper;
    const colour = text.ownerSVGElement ? style.fill : style.color;
    if (ratio(colour, ground) < 4.5) found.push([text.textContent.trim().slice(0, 40), colour, ground, ratio(colour, ground)]);
  }
  return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_they_stand_on(browser, folder, scheme):
    browser.media(scheme=scheme)
    try:
        for name in ("index", "symptoms", "treatments", "weakness", "change", "methods"):
            browser.open(folder / f"{name}.html")
            assert browser.ask(CONTRAST) == [], name
    finally:
        browser.media()


COLUMN = "[...document.querySelector('{table}').tBodies[0].rows].map((row) => row.cells[{at}].textContent)"


def test_a_table_sorts_by_click_and_by_key_with_what_is_suppressed_last(browser, folder):
    browser.open(folder / "symptoms.html")
    table = "#figure-symptom-severity-bars table"
    browser.ask(OPEN_ALL)
    heads = browser.ask(f"[...document.querySelector('{table}').tHead.rows[0].cells].map((cell) => cell.textContent)")
    at = next(number for number, head in enumerate(heads) if head.startswith("Moderate or severe"))
    click = f"document.querySelector('{table}').tHead.rows[0].cells[{at}].querySelector('button').click()"
    order = f"document.querySelector('{table}').tHead.rows[0].cells[{at}].ariaSort"
    for direction, way in (("descending", -1), ("ascending", 1)):
        browser.ask(click)
        assert browser.ask(order) == direction
        values = browser.ask(COLUMN.format(table=table, at=at))
        numbers = [float(value.split()[0]) for value in values if value[0].isdigit()]
        assert numbers == sorted(numbers, key=lambda value: way * value)
        assert values[-1] == "suppressed" and "suppressed" not in values[: len(numbers)]
    browser.ask(f"document.querySelector('{table}').tHead.rows[0].cells[0].querySelector('button').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
        )
    names = browser.ask(COLUMN.format(table=table, at=0))
    assert names == sorted(names, key=str.casefold) and len(names) == 5


def test_without_script_every_table_is_there(browser, folder):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(folder / "symptoms.html")
        root = browser.call("DOM.getDocument")["root"]["nodeId"]

        def count(what):
            return len(browser.call("DOM.querySelectorAll", nodeId=root, selector=what)["nodeIds"])

        assert count("table thead button") == 0
        assert count("table tbody tr") > 8 and count("details") > 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


TABLES = """[...document.querySelectorAll('table')].map((table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent)))"""


def test_downloads_equal_the_frame_and_pages_show_no_other_count(browser, folder, release):
    frame = release.frame.to_pylist()
    with (folder / "release.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert pq.read_table(folder / "release.parquet").to_pylist() == frame
    assert len(rows) == len(frame)
    for row, figure in zip(rows, frame, strict=True):
        assert row["state"] == figure["state"] and row["cell_key"] == figure["cell_key"]
        for name in ("n_patients", "denominator", "value", "low", "high"):
            assert (row[name] == "") == (figure[name] is None)
            assert row[name] == "" or float(row[name]) == pytest.approx(figure[name], abs=1e-6)
    browser.open(folder / "downloads.html")
    files = browser.ask("[...document.querySelectorAll('a[download]')].map((link) => link.getAttribute('href'))")
    assert set(files) == {path.name for path in folder.glob("release.*")} >= {"release.csv", "release.parquet"}
    # The table of one page, figure by figure.
    browser.open(folder / "symptom-pain.html")
    (table,) = browser.ask(TABLES)
    shown = {row[0]: row[1] for row in table[1:]}
    counts = {row["label_2"]: row for row in frame if row["value_1"] == "pain" and row["statistic"] == "count"}
    assert shown == {
        name: f"{row['value']:.0f}" if row["state"] == "shown" else "suppressed" for name, row in counts.items()
    }
    assert "suppressed" in shown.values()


def test_keyboard_reaches_content_first_and_everything_focusable_shows_it(browser, folder):
    browser.open(folder / "index.html")
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.ask("document.activeElement.className") == "skip"
    assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tree = json.dumps(browser.call("Accessibility.getFullAXTree"))
    for role in ("main", "navigation", "heading", "image", "figure"):
        assert f'"value": "{role}"' in tree


def test_it_prints_with_its_tables_and_without_its_navigation(browser, folder, screenshots):
    browser.open(folder / "symptom-fatigue.html")
    assert 1 <= browser.pdf(screenshots / "symptom-fatigue.pdf") <= 4
    browser.media("print")
    try:
        assert browser.ask("getComputedStyle(document.querySelector('nav.contents')).display") == "none"
        assert browser.ask("document.querySelector('details table').checkVisibility({contentVisibilityAuto: true})")
        assert browser.ask("document.querySelector('details table').getBoundingClientRect().height") > 50
    finally:
        browser.media()


@pytest.mark.parametrize("scheme, width", [("light", 400), ("light", 1200), ("dark", 1200)])
def test_screenshots_are_kept_to_be_looked_at(browser, folder, screenshots, scheme, width):
    browser.media(scheme=scheme)
    try:
        for name in ("index", "symptom-muscle_weakness", "change"):
            browser.open(folder / f"{name}.html", width)
            path = screenshots / f"{name}-{width}-{scheme}.png"
            browser.screenshot(path)
            assert path.stat().st_size > 10_000
    finally:
        browser.media()
