"""Which tests run on one worker of pytest-xdist, because they share what takes long to make."""

import re

from xdist.scheduler import LoadScopeScheduling

# These share the session's `outcomes up`.
SERVER = (
    "tests/faults/test_drills.py",
    "tests/integration/test_flows.py",
    "tests/integration/test_operation.py",
    "tests/integration/test_pull_flow.py",
)
# Each test of these is long and makes its own; the tests of other files share what their module's fixtures make.
APART = ("tests/faults/test_kills.py", "tests/faults/test_machine_faults.py", "tests/property/")
# A module's fixture is made for each of its parameters: a small random warehouse, say.
BY_PARAMETER = ("tests/sql/", "tests/attack/")


class ByNeed(LoadScopeScheduling):
    """Hands out whole scopes, the largest first."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """The scope of a test: all tests of one scope run on one worker, one after the other."""
    path = nodeid.partition("::")[0]
    if path in SERVER:
        return "server"
    if path.startswith("tests/browser/"):
        return "browser"
    if path.startswith(APART):
        return nodeid
    if path.startswith(BY_PARAMETER):
        parameter = re.search(r"\[(\w+)", nodeid)
        return f"{path}[{parameter[1]}]" if parameter else path
    return path
