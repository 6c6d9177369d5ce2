"""Two consecutive releases of generated warehouses and of cohorts, attacked from outside: no count of 1 to 10 can be learnt."""

import pytest
from attacker import Solver, attack, attack_files, attack_two, model_of
from cohort_releases import cells_of, release_of
from discovered import specs_of
from generated import Generated, moved
from modes import share
from published_files import placed_by_key, read_release

SEEDS = share(range(2), range(200))


def released(seed, folder):
    """Two releases of a warehouse: some patients come, some go, some reports change, few or many."""
    made = Generated(seed, (150, 40, 900, 400)[seed % 4])
    _, truth_1 = made.release(folder / "1")
    made.join((3, 0, 40, 7)[seed % 4] or 1)
    made.leave((1, 6, 0, 20)[seed % 4])
    made.change((0.0, 0.01, 0.2, 0.002)[seed % 4])
    _, truth_2 = made.release(folder / "2")
    published = read_release(folder / "1"), read_release(folder / "2")
    first, second = published
    return published, (truth_1, truth_2), (Solver(model_of(first)), Solver(model_of(second, before=first)))


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


# The whole report on cohorts: with every sum that holds in several of them, whether or not anybody declared it.

COHORTS = share([(150, 1)], [(size, seed) for size in (80, 150, 300, 1000) for seed in range(3)])


@pytest.fixture(scope="module", params=COHORTS, ids=lambda param: f"{param[0]} patients, seed {param[1]}")
def cohort(request, tmp_path_factory):
    """The release of a cohort, what is true of it, and what holds in it and in two others."""
    size, seed = request.param
    folder = tmp_path_factory.mktemp("cohort")
    cells = release_of(size, seed, folder)
    specs = specs_of([cells, *(cells_of(size, seed + 100 * n) for n in (1, 2))])
    return placed_by_key(read_release(folder)), {c.cell_key: c.cell_count for c in cells if c.is_guarded}, specs


def test_no_count_of_1_to_10_can_be_learnt_by_any_sum_that_holds_in_all_cohorts(cohort):
    found = attack_files(*cohort)
    assert found.leaks == []
    assert found.unsound == [], "what the attacker assumes must be true, or the attack is none"
    assert found.looked_at > 100


def test_every_table_of_people_is_attacked(cohort):
    published, _, specs = cohort
    tables = {figure.table for figure in published.figures if figure.unit == "patients"}
    assert len(tables) > 50
    assert tables <= specs.keys()
