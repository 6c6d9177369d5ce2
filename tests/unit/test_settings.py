"""What `outcomes.toml` may say: a setting that cannot be meant is refused by its name, before anything is done."""

import pytest

from flows.errors import UsageError
from flows.settings import create_workspace, open_workspace


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("report_wait_seconds = -1", "report_wait_seconds must not be negative"),
        ("lock_wait_seconds = -0.5", "lock_wait_seconds must not be negative"),
        ("ingest_wait_seconds = 1.5", "ingest_wait_seconds must be of type int"),
        ("data_docs = 1", "data_docs must be of type bool"),
        ("threads = true", "threads must be of type int"),
        ("report_wait = 1", "unknown settings report_wait"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(tmp_path, line, said):
    root = create_workspace(tmp_path / "ws").root
    (root / "outcomes.toml").write_text(f"{line}\n")
    with pytest.raises(UsageError, match=said):
        open_workspace(root)


def test_waits_are_what_the_workspace_says(tmp_path):
    root = create_workspace(tmp_path / "ws").root
    (root / "outcomes.toml").write_text("ingest_wait_seconds = 0\nreport_wait_seconds = 300\n")
    settings = open_workspace(root).settings
    assert (settings.ingest_wait_seconds, settings.report_wait_seconds) == (0, 300)
