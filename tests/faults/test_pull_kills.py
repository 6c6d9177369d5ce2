"""A pull that is killed at any boundary of its own code, and at any instant, ends when run again as if nothing had been."""

import random
import shutil
import signal
import threading

import canonical
import pytest
from api_server import TOKEN, VARIABLE, Api, as_records, consents, landed, landed_records
from commands import finished, outcomes
from faultlog import tried
from modes import share

from flows.exports import state
from flows.settings import create_workspace, open_workspace
from schemas.sources import sources

RECORDS = consents(60)
STYLES = ("next_link", "link_header", "cursor", "page", "offset", "bundle")
PULL = ("pull", "platform")
# Each costs two runs of the command.
RANDOM, BOUNDARIES = share((3, 4), (50, 60))


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the records of the server are in the warehouse, with nothing in between."""
    workspace = created(tmp_path_factory.mktemp("undisturbed") / "ws")
    with Api(RECORDS) as api, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, TOKEN)
        api.source(workspace)
        code, said = finished(outcomes(workspace.root, *PULL))
        assert code == 0, said
    return taken(workspace)


def created(root):
    create_workspace(root)
    (root / "outcomes.toml").write_text("data_docs = false\n")
    # The same in all, so that they have the same pseudonyms.
    (root / "key").write_text("ab" * 32)
    return open_workspace(root)


def taken(workspace):
    """What has landed, admitted; landing is empty afterwards."""
    source = sources(workspace.root / "sources")["platform"]
    canonical.admit_batches(workspace, [landed(workspace)], source)
    for path in landed(workspace):
        path.unlink()
    return canonical.core(workspace, "consent")


def run_to_its_end(workspace, api):
    """The command as it is run again by whoever found it dead; its state afterwards knows of no unfinished pull."""
    before = len(api.pages())
    code, said = finished(outcomes(workspace.root, *PULL))
    assert code == 0, said
    assert "Traceback" not in said
    kept = state.path_of(workspace, "platform", "consent")
    assert '"progress": null' in kept.read_text()
    assert not [path for path in landed(workspace) if path.name.startswith(".")]
    return len(api.pages()) - before


@pytest.mark.parametrize("seed", range(RANDOM))
def test_killed_at_any_instant(tmp_path, undisturbed, seed):
    chance = random.Random(seed)
    style = STYLES[seed % len(STYLES)]
    workspace = created(tmp_path / "ws")
    with Api(RECORDS, style) as api:
        api.source(workspace)
        pages = 7 if style in ("page", "offset") else 6
        fatal, delay = chance.randint(1, pages), chance.choice([0, chance.uniform(0, 0.01), chance.uniform(0, 0.1)])

        def fault(_api, asked, _reply):
            if asked.number == fatal:
                threading.Timer(delay, process.kill).start()

        api.fault = fault
        process = outcomes(workspace.root, *PULL)
        code, said = finished(process)
        assert code in (-signal.SIGKILL, 0), said
        tried("kills of a pull", code == -signal.SIGKILL)
        api.fault = None
        kept = state.path_of(workspace, "platform", "consent")
        # The process may have had nothing left to do but to end.
        is_done = kept.exists() and '"progress": null' in kept.read_text()
        has_landed = len([path for path in landed(workspace) if not path.name.startswith(".")])
        if seed % 2:
            # Somebody takes meanwhile what has landed.
            for path in landed(workspace):
                if path.name.startswith("."):
                    path.unlink()
            taken(workspace)
        asked = run_to_its_end(workspace, api)
        # All of it is not asked for again, only what had not landed, and at most one page that had.
        if style not in ("page", "offset") and not is_done:
            assert asked <= 6 - has_landed + 1
        if not seed % 2:
            assert landed_records(workspace) == as_records(RECORDS)
        assert taken(workspace) == undisturbed


@pytest.fixture(scope="module")
def boundaries(tmp_path_factory):
    """The events of an undisturbed run: for every distinct boundary, the first and the last of its kind."""
    folder = tmp_path_factory.mktemp("counted")
    workspace = created(folder / "ws")
    with Api(RECORDS) as api, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, TOKEN)
        api.source(workspace)
        events = folder / "events.txt"
        assert finished(outcomes(workspace.root, *PULL, mode="count", record_to=str(events)))[0] == 0
    places = {}
    for number, line in enumerate(events.read_text().splitlines(), start=1):
        if "flows.exports" in line:
            places.setdefault(line, []).append(number)
    assert len(places) > 60
    return sorted({n for numbers in places.values() for n in (numbers[0], numbers[-1])})


def test_killed_at_a_boundary(tmp_path, boundaries, undisturbed):
    chosen = random.Random(1).sample(boundaries, min(BOUNDARIES, len(boundaries)))
    for number in chosen:
        workspace = created(tmp_path / f"at-{number}")
        with Api(RECORDS) as api:
            api.source(workspace)
            code, said = finished(outcomes(workspace.root, *PULL, mode=str(number)))
            assert code in (-signal.SIGKILL, 0), said
            tried("kills of a pull", code == -signal.SIGKILL)
            run_to_its_end(workspace, api)
        assert taken(workspace) == undisturbed, f"killed at event {number}"
        shutil.rmtree(workspace.root)
