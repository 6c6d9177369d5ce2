"""What those who stopped a treatment began next, and doses, attacked from outside: in cohorts where enough have stopped for tables of it to exist."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attacker import attack_files
from cohort_releases import AS_OF_AT
from cohort_warehouse import warehouse_of
from discovered import specs_of
from published_files import placed_by_key, read_release
from table_relations import BY_KEY

from flows.pages.report import write_report
from flows.stages.build import build
from flows.stages.cells import decide, read_cells
from flows.stages.lifecycle import approve, stored
from flows.stages.release import draft

RECORDS = ("patient", "consent", "treatment_episode", "treatment_evaluation")
ATTACKED = (
    "source_family",
    "treatment_native",
    "strategies_native",
    "in_use_native",
    "stop_reasons_native",
    "switches_native",
    "doses_native",
)
PATIENTS = 1000


def built(seed):
    con = warehouse_of(PATIENTS, seed, tables=RECORDS, has_switches=True)
    # The cohort has one dose a treatment, or two: with more, and some that are not stated, there is something to hide.
    con.execute(
        "UPDATE history.treatment_episode SET dose_amount = "
        "[15, 30, 60, 150, 300, 600, 1500, NULL][1 + floor(8 * pow((row_hash % 997) / 997.0, 4))::INTEGER] "
        "WHERE dose_amount IS NOT NULL"
    )
    build(con, 1, AS_OF_AT)
    return con


def attacked(cells):
    return [cell for cell in cells if cell.table_id in ATTACKED]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """(the figures of the attacked tables, all cells, what holds in this cohort and in two others)"""
    folder = tmp_path_factory.mktemp("switches")
    with built(1) as con:
        made = draft(con, as_of_batch=1, as_of_at=AS_OF_AT, now=AS_OF_AT, minimum_cell=11)
        approve(con, made.release_id, "test", AS_OF_AT)
        write_report(stored(con, made.release_id), folder)
        cells = read_cells(con)
    others = []
    for seed in (2, 3):
        with built(seed) as con:
            others.append(attacked(read_cells(con)))
    specs = specs_of([attacked(cells), *others]) | BY_KEY
    found = placed_by_key(read_release(folder))
    figures = [figure for figure in found.figures if figure.table in ATTACKED]
    return replace(found, figures=figures), cells, specs


def test_no_count_of_1_to_10_can_be_learnt_from_switches_and_doses(cohort):
    published, cells, specs = cohort
    truth = {cell.cell_key: cell.cell_count for cell in attacked(cells)}
    for table in ("switches_native", "doses_native"):
        hidden = [f for f in published.figures if f.table == table and f.state == "suppressed"]
        shown = [f for f in published.figures if f.table == table and f.state == "shown" and f.value]
        assert len(hidden) > 10 and len(shown) > 10, "there must be something to hide, and something left"
    found = attack_files(published, truth, specs)
    assert found.leaks == []
    assert found.unsound == [], "what the attacker assumes must be true, or the attack is none"
    assert found.looked_at > 10


@pytest.mark.parametrize("table", ["switches_native", "doses_native"])
def test_what_is_wrongly_shown_is_found(cohort, table):
    """Show one of two hidden parts: the other is the rest."""
    published, cells, specs = cohort
    truth = {cell.cell_key: cell.cell_count for cell in attacked(cells)}
    figures = [
        replace(f, state="shown", value=float(truth[f.key]), n=float(truth[f.key]))
        if f.table == table and f.statistic == "count" and truth[f.key] > 10
        else f
        for f in published.figures
    ]
    assert figures != published.figures
    assert attack_files(replace(published, figures=figures), truth, specs).leaks


@pytest.mark.parametrize("table", ["switches_native", "doses_native"])
def test_a_table_hides_nothing_that_was_shown_without_it(cohort, table):
    _, cells, _ = cohort
    others = [cell for cell in cells if cell.table_id != table]
    keys = {cell.cell_key for cell in others}
    assert decide(cells, 11).hidden & keys == decide(others, 11).hidden & keys
