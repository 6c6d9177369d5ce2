"""The summary of a run: how many kills, hostile files and canaries were tried. With xdist, workers hand theirs over."""

import faultlog
import pytest


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = dict(faultlog.counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    faultlog.counts.update(getattr(node, "workeroutput", {}).get("faults", {}))


def pytest_terminal_summary(terminalreporter):
    if faultlog.counts:
        tried = ", ".join(f"{number:,} {kind}" for kind, number in sorted(faultlog.counts.items()))
        failed = len(terminalreporter.stats.get("failed", []))
        terminalreporter.write_line(f"faults tried: {tried}; tests failed: {failed}")
