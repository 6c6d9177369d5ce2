"""What tests share: a workspace of their own, a clock that stands still, the folder of real exports."""

from pathlib import Path

import canonical
import pytest
import standing as standing_installation
from hypothesis import HealthCheck, Phase, settings

from flows.settings import Workspace, create_workspace, open_workspace

# The same examples every time, and no deadline: a shared machine is slow at times.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # shrinking a file takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def now():
    """The instant by which tests judge dates."""
    return canonical.NOW


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """A new workspace that writes no Data Docs, which take longer than all else; `test_audit` looks at those."""
    root = create_workspace(tmp_path / "workspace").root
    (root / "outcomes.toml").write_text("data_docs = false\n")
    return open_workspace(root)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from scheduling import ByNeed

    return ByNeed(config, log)


@pytest.fixture(scope="session")
def receiver():
    """A web server that writes down what it is told: where the installation sends its notifications."""
    found = standing_installation.Receiver()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def standing(tmp_path_factory, receiver):
    """`outcomes up` on a workspace of its own: one for all tests that need a server (`scheduling.SERVER`)."""
    found = standing_installation.Standing(
        tmp_path_factory.mktemp("up") / "standing", f'notify_url = "{receiver.url}"\n'
    )
    found.start()
    yield found
    if found.process.poll() is None:
        found.stop()


@pytest.fixture(scope="session")
def real_exports() -> Path:
    """The folder of real exports, which are no part of the project; tests that need them are skipped without them."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real exports are not here (../shared/data beside the repository)")
    return folder
