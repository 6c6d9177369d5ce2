"""What tests share: a workspace of their own, a clock that stands still, the folder of real exports."""

import os
from collections import Counter
from pathlib import Path

# Workers share the cores, and so do not spin on them; numpy reads this when it is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import canonical
import modes
import pytest
import standing as standing_installation
from grouping import (  # noqa: F401  hooks of pytest
    pytest_collection_modifyitems,
    pytest_configure_node,
    pytest_unconfigure,
    pytest_xdist_auto_num_workers,
    pytest_xdist_make_scheduler,
)
from ready import Ready, empty

from flows.settings import Workspace, open_workspace

modes.load_hypothesis_profile()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """The ten slowest tests, just before their number and the time of all."""
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid] += report.duration
    if sum(seconds.values()) > 60:
        terminalreporter.section("the ten slowest tests, with what they set up")
        for nodeid, spent in seconds.most_common(10):
            terminalreporter.write_line(f"{spent:6.1f} s  {nodeid}")


@pytest.fixture(scope="session")
def now():
    """The instant by which tests judge dates."""
    return canonical.NOW


@pytest.fixture(scope="session")
def ready(tmp_path_factory) -> Ready:
    """Workspaces that are made once a run, for all workers: see `ready.Ready`."""
    base = tmp_path_factory.getbasetemp()
    return Ready((base.parent if base.name.startswith("popen-") else base) / "ready")


@pytest.fixture
def workspace(tmp_path, ready) -> Workspace:
    """A workspace of the test's own, its warehouse empty."""
    return open_workspace(ready.copy("empty", tmp_path / "workspace", empty))


@pytest.fixture(scope="session")
def receiver():
    """A web server that writes down what it is told: where the installation sends its notifications."""
    found = standing_installation.Receiver()
    yield found
    found.stop()


_STANDING = pytest.StashKey[standing_installation.Standing]()


@pytest.fixture(scope="session")
def prefect_home(ready):
    """The files of a Prefect server that was started once, to be copied: making its database takes longer than its start."""
    return ready.made("prefect", standing_installation.prefect_home)


@pytest.fixture(scope="session")
def standing(tmp_path_factory, receiver, prefect_home, request):
    """`outcomes up` on a workspace of its own: one for all tests that need a server (`grouping.MADE_ONCE`)."""
    found = standing_installation.Standing(
        tmp_path_factory.mktemp("up") / "standing", f'notify_url = "{receiver.url}"\n', prefect_home
    )
    request.config.stash[_STANDING] = found
    found.start()
    yield found
    if found.process.poll() is None:
        found.stop()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """The server stops after the last test that needs it: at rest it still takes a twentieth of a core."""
    if "standing" in item.fixturenames and (nextitem is None or "standing" not in nextitem.fixturenames):
        found = item.config.stash[_STANDING]
        if found.process.poll() is None:
            found.stop()


@pytest.fixture(scope="session")
def real_exports() -> Path:
    """The folder of real exports, which are no part of the project; tests that need them are skipped without them."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real exports are not here (../shared/data beside the repository)")
    return folder
