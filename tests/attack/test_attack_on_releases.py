"""Two consecutive releases of generated warehouses, attacked from outside: no count of 1 to 10 can be learnt."""

import os

import pytest
from attacker import Solver, attack, attack_two, model_of
from generated import Generated, moved
from published_files import read_release
from table_relations import NOT_ATTACKED, SPECS

IS_LONG = os.environ.get("OUTCOMES_FAULTS") == "long"
SEEDS = range(200) if IS_LONG else range(3)


def released(seed, folder):
    """Two releases of a warehouse: some patients come, some go, some reports change, few or many."""
    made = Generated(seed, (150, 40, 900, 400)[seed % 4])
    _, truth_1 = made.release(folder / "1")
    made.join((3, 0, 40, 7)[seed % 4] or 1)
    made.leave((1, 6, 0, 20)[seed % 4])
    made.change((0.0, 0.01, 0.2, 0.002)[seed % 4])
    _, truth_2 = made.release(folder / "2")
    published = read_release(folder / "1"), read_release(folder / "2")
    return published, (truth_1, truth_2), tuple(Solver(model_of(found)) for found in published)


@pytest.fixture(scope="module", params=SEEDS)
def releases(request, tmp_path_factory):
    return released(request.param, tmp_path_factory.mktemp("attack"))


def test_no_count_of_1_to_10_can_be_learnt_from_a_release(releases):
    for published, truth, solver in zip(*releases, strict=True):
        found = attack(solver, truth.counts, published.faults)
        assert found.leaks == []
        assert found.unsound == [], "what the attacker assumes must be true, or the attack is none"
        assert found.looked_at > 5, "there must be something to learn"


def test_no_difference_of_1_to_10_can_be_learnt_from_two_releases(releases):
    _, truths, solvers = releases
    assert attack_two(*solvers, moved(*truths)) == []


def test_every_table_of_the_report_is_attacked_or_known_not_to_be(releases):
    """Say in `table_relations` what the counts of a new table are parts of."""
    tables = {figure.table for published in releases[0] for figure in published.figures}
    assert len(tables & set(SPECS)) > 10
    assert [name for name in sorted(tables - set(SPECS)) if not name.startswith(NOT_ATTACKED)] == []


def test_no_table_is_in_both_lists():
    assert [name for name in SPECS if name.startswith(NOT_ATTACKED)] == []
