"""One browser and one site for all browser tests."""

from pathlib import Path

import chromium
import pytest
import report_cells

from flows.pages import report, site

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@pytest.fixture(scope="session")
def browser():
    program = chromium.found()
    if program is None:
        words = f"no browser on this machine ({', '.join(chromium.NAMES)}); Debian has it as the package chromium"
        if chromium.is_required():
            pytest.fail(words)
        pytest.skip(words)
    opened = chromium.Browser(program)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def arial():
    """Heights of printed pages are those of Arial's letters, or of a type that is as broad."""
    if not chromium.has_arial():
        words = "no type on this machine is as broad as Arial; Debian has one in the package fonts-liberation"
        if chromium.is_required():
            pytest.fail(words)
        pytest.skip(words)


@pytest.fixture(scope="session")
def release():
    with report_cells.connection() as con:
        return report_cells.release_of(con, report_cells.rich_cells())


@pytest.fixture(scope="session")
def folder(release, tmp_path_factory):
    """The report of one release with every kind of chart, as it is published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "topics", report_cells.known_topics)
        return report.write_report(release, tmp_path_factory.mktemp("site") / "report").parent


@pytest.fixture(scope="session")
def screenshots():
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS
