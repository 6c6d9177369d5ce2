"""Tests that share what takes long to make run on one worker, in a real run of pytest-xdist; so does nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MODULE = """
import os, time
import pytest

@pytest.fixture(scope="module", params=["a", "b"])
def made(request):
    note("made " + request.param)

@pytest.fixture(scope="module")
def shared(made):
    note("shared")

def note(what):
    with open("notes", "a") as notes:
        notes.write(f"{os.environ['PYTEST_XDIST_WORKER']} {what}\\n")
    time.sleep(0.05)

@pytest.mark.parametrize("n", range(6))
def test_alone(n):
    note("alone")

@pytest.mark.parametrize("n", range(5))
def test_of_made(made, n):
    note("of")

@pytest.mark.parametrize("n", range(5))
def test_of_shared(shared, n):
    note("of")
"""


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """(worker, what it did) of a run of this small module on two workers, under the hooks of these tests."""
    folder = tmp_path_factory.mktemp("grouped")
    (folder / "conftest.py").write_text("from grouping import *\n")
    (folder / "test_small.py").write_text(MODULE)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "26 passed" in done.stdout, done.stdout + done.stderr
    return [tuple(line.split(" ", 1)) for line in (folder / "notes").read_text().splitlines()]


def test_a_fixture_of_a_module_is_made_once_for_each_of_its_parameters(notes):
    made = sorted(what for _, what in notes if what.startswith(("made", "shared")))
    assert made == ["made a", "made b", "shared", "shared"]


def test_what_shares_nothing_goes_wherever_there_is_room(notes):
    assert {worker for worker, what in notes if what == "alone"} == {"gw0", "gw1"}
