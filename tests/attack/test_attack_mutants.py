"""The attack can fail: every fault of suppression that it is there for is planted, and it must find each."""

from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attacker import Solver, attack_files, attack_two, model_of
from generated import AS_OF_AT, Generated, Truth, moved
from published_files import Published, _figure, read_release
from table_relations import Sum, TableSpec

from flows.pages.data import to_json
from flows.pages.report import to_csv, write_report
from flows.stages import cells as cells_stage
from flows.stages import release as release_stage
from flows.stages.build import build
from flows.stages.cells import Cell, Statistic, decide
from flows.stages.frame import frame_schema, publishable
from flows.stages.release import ShownCell, held_back
from flows.stages.suppression import _Network
from sql import statement

AT = datetime(2025, 6, 30, tzinfo=UTC)


def write_data(release, folder):
    """The data files alone: a page cannot be made of a frame that the renderers do not know."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "release.csv").write_text(to_csv(release), encoding="utf-8", newline="")
    (folder / "release.json").write_text(to_json(release), encoding="utf-8")
    pq.write_table(release.frame, folder / "release.parquet")
    return read_release(folder)


# Faults of the program, on a generated warehouse


@pytest.fixture(scope="module")
def warehouse():
    made = Generated(5, 120)
    build(made.con, made.batch, AS_OF_AT)
    return made


def drafted(warehouse):
    return release_stage.draft(
        warehouse.con, as_of_batch=warehouse.batch, as_of_at=AS_OF_AT, now=AS_OF_AT, minimum_cell=11
    )


def learnt(published, warehouse):
    return attack_files(published, warehouse.truth().counts).leaks


def without_data_quality(release):
    """Of people only: what a mutant gives away of records is another matter."""
    return replace(release, frame=release.frame.filter(pa.compute.equal(release.frame["unit"], "patients")))


def rewritten(frame, change):
    return pa.Table.from_pylist([row | change(row) for row in frame.to_pylist()], schema=frame_schema())


def test_without_a_fault_nothing_is_learnt(warehouse, tmp_path):
    made = drafted(warehouse)
    assert 0 < made.suppressed_count < made.frame.num_rows
    write_report(made, tmp_path)
    assert learnt(read_release(tmp_path), warehouse) == []


def test_a_reason_beside_a_suppressed_count(warehouse, tmp_path):
    """ "Small" or "complementary" bounds a count that "suppressed" leaves open."""
    made, counts = drafted(warehouse), warehouse.truth().counts

    def say_why(row):
        why = "small" if 0 < counts.get(row["cell_key"], 0) < 11 else "complementary"
        return {"state": f"suppressed: {why}"} if row["state"] == "suppressed" else {}

    leaks = learnt(write_data(replace(made, frame=rewritten(made.frame, say_why)), tmp_path), warehouse)
    assert any((leak.low, leak.high) == (1, 10) or leak.high < 11 for leak in leaks)


def test_a_zero_taken_as_a_partner(warehouse, tmp_path, monkeypatch):
    """Whoever is hidden alone gets a partner, the smallest, be it nobody; and no one audits."""

    def partner(network, parent, children, hidden, *_):
        rest = [child for child in children if child not in hidden] or ([] if parent in hidden else [parent])
        return min(rest, key=lambda c: (network.counts[c], c), default=None)

    monkeypatch.setattr(_Network, "_partner", partner)
    monkeypatch.setattr(_Network, "_gives_away", lambda _, hidden, total, whole: hidden + whole == 1)
    monkeypatch.setattr(_Network, "exposed", lambda *_: [])
    leaks = learnt(write_data(drafted(warehouse), tmp_path), warehouse)
    assert leaks


def test_58_of_60_shown(warehouse, tmp_path, monkeypatch):
    """No remainders: a share of nearly all gives away the few that are left."""
    honest = cells_stage.relations_of

    def without_remainders(cells):
        found = honest(cells)
        kept = [r for r in found.relations if not any(" but not " in child for child in r.children)]
        return replace(found, relations=kept)

    monkeypatch.setattr(cells_stage, "relations_of", without_remainders)
    leaks = learnt(write_data(drafted(warehouse), tmp_path), warehouse)
    assert any(" but not " in leak.what and leak.low == leak.high for leak in leaks)


def test_a_percentage_beside_a_hidden_count(warehouse, tmp_path):
    made, counts = drafted(warehouse), warehouse.truth().counts
    wholes = {c.cell_key: c.denominator_key for c in cells_stage.read_cells(warehouse.con)}

    def show_share(row):
        if row["statistic"] != "share" or row["state"] == "shown":
            return {}
        return {"state": "shown", "value": counts[row["cell_key"]] / counts[wholes[row["cell_key"]]]}

    leaks = learnt(
        write_data(without_data_quality(replace(made, frame=rewritten(made.frame, show_share))), tmp_path), warehouse
    )
    assert any(leak.low == leak.high < 11 for leak in leaks)


def test_no_audit_and_no_closing(warehouse, tmp_path, monkeypatch):
    """Only what is small is hidden, and the rest is left to be subtracted from."""
    monkeypatch.setattr(_Network, "close", lambda *_: None)
    monkeypatch.setattr(_Network, "exposed", lambda *_: [])
    assert learnt(write_data(drafted(warehouse), tmp_path), warehouse)


@pytest.mark.parametrize("name", ["release.json", "index.html"])
def test_one_file_made_from_what_is_not_suppressed(warehouse, tmp_path, name):
    made, counts = drafted(warehouse), warehouse.truth().counts

    def unsuppress(row):
        if row["statistic"] != "count" or row["state"] == "shown":
            return {}
        n = counts[row["cell_key"]]
        return {"state": "shown", "value": float(n), "n_patients": n}

    write_report(made, tmp_path / "honest")
    write_report(replace(made, frame=rewritten(made.frame, unsuppress)), tmp_path / "mutant")
    (tmp_path / "mutant" / name).replace(tmp_path / "honest" / name)
    assert any(name in fault for fault in read_release(tmp_path / "honest").faults)


# Faults of what is declared, on a few cells


@pytest.fixture
def con():
    with duckdb.connect(":memory:") as opened:
        for name in ("wilson_low", "wilson_high"):
            opened.execute(statement(f"macros/{name}"))
        yield opened


def cell(key, count, whole=None, second="", **said):
    first = said.pop("first", key)
    values = {
        "topic": "t", "table_id": "t", "position": 1.0, "dimension_1": "d", "value_1": first, "dimension_2": "s" if second else None,
        "value_2": second or None, "patient_set": None, "part_of": (), "unit": "patients", "has_interval": False, "is_expendable": False,
        "mart": "m",
    }  # fmt: skip
    return Cell(cell_key=key, denominator_key=whole, cell_count=count, **(values | said))


def published(con, cells, hidden=None, batch=1, earlier=()):
    """The files' rows of these cells, as `publishable` makes them. `earlier` are rows that stand as they were."""
    hidden = decide(cells, 11).hidden if hidden is None else hidden
    rows = publishable(con, cells, hidden, batch, batch, AT).to_pylist()
    before = {(row["cell_key"], row["statistic"]): row for row in earlier}
    rows = [
        before.get((row["cell_key"], row["statistic"]), row) if row["state"] == "suppressed" else row for row in rows
    ]
    figures = [_figure(row) for row in rows]
    return Published(figures, max(f.as_of for f in figures)), rows


def truth_of(cells):
    return {c.cell_key: c.cell_count for c in cells}


def whole_is(names):
    return lambda place: ("t", names[place[1]], "") if place[1] in names else None


def sums(*relations):
    return lambda _: iter(relations)


def at(first, second=""):
    return ("t", first, second)


@pytest.mark.parametrize(("partner", "is_learnt"), [("b", True), ("c", False)], ids=["of nobody", "of 15"])
def test_a_partner_of_nobody_is_none(con, partner, is_learnt):
    """5 and 0 and 15 of 20: zeros are shown, so that a hidden count is at least 1."""
    cells = [cell("n", 20), *(cell(k, n, part_of=(("n", "by"),)) for k, n in {"a": 5, "b": 0, "c": 15}.items())]
    spec = {"t": TableSpec(relations=sums(Sum(at("n"), (at("a"), at("b"), at("c")))))}
    found, _ = published(con, cells, frozenset({"a", partner}))
    assert bool(attack_files(found, truth_of(cells), spec).leaks) == is_learnt


def test_the_same_patients_in_two_tables(con, monkeypatch):
    """58 of 60, hidden in one table; the same 58 as a count of their own in another."""
    cells = [cell("n", 60, patient_set=0b110), cell("x", 58, "n", patient_set=0b010), cell("y", 58, patient_set=0b010)]
    spec = {"t": TableSpec(whole_is({"x": "n"}), sums(Sum(at("y"), (at("x"),))))}
    assert attack_files(published(con, cells)[0], truth_of(cells), spec).leaks == []
    monkeypatch.setattr(cells_stage, "_names", lambda counts, *_: {key: key for key in counts})
    assert attack_files(published(con, cells)[0], truth_of(cells), spec).leaks


def test_a_denominator_shown_where_its_cell_is_hidden(con):
    """6 of 11 hides the 11 too; printed beside the share of another it stands there all the same."""
    cells = [cell("n", 11), cell("x", 6, "n"), cell("z", 0, "n")]
    spec = {"t": TableSpec(whole_is({"x": "n", "z": "n"}))}
    found, rows = published(con, cells)
    assert attack_files(found, truth_of(cells), spec).leaks == []
    told = [_figure(row | ({"denominator": 11} if row["cell_key"] == "z" else {})) for row in rows]
    assert attack_files(Published(told, found.as_of), truth_of(cells), spec).leaks


def test_a_held_cell_with_fresh_margins(con):
    """60 of 100, then 63 of 123: the 63 is held, since 3 are new, and follows from the others."""
    spec = {"t": TableSpec(relations=sums(Sum(at("n"), (at("a"), at("b"), at("c")))))}

    def three(a, b, c, base):
        parts = {"a": a, "b": b, "c": c}
        cells = [
            cell(k, n, part_of=(("n", "by"),), patient_set=((1 << n) - 1) << (base + 300 * i))
            for i, (k, n) in enumerate(parts.items())
        ]
        return [cell("n", a + b + c, patient_set=sum(found.patient_set for found in cells)), *cells]

    before, after = three(60, 40, 50, 0), three(63, 60, 90, 0)
    first, rows = published(con, before)
    shown = {c.cell_key: ShownCell(1, c.cell_count, c.patient_set) for c in before}
    held = held_back(after, shown, 11)
    assert held == {"a"}
    truths = [
        Truth(truth_of(cells), {c.cell_key: c.patient_set & (2**64 - 1) for c in cells}) for cells in (before, after)
    ]

    def found_out(hidden):
        carried = [row for row in rows if row["cell_key"] in held]
        second, _ = published(con, after, hidden, 2, carried)
        assert any(second.is_carried(f) for f in second.figures), "it stands as it was"
        solvers = [Solver(model_of(p, spec)) for p in (first, second)]
        return attack_two(*solvers, lambda whole, _=None: abs(truths[1].counts[whole] - truths[0].counts[whole]))

    assert found_out(decide(after, 11, held).hidden) == []
    assert [leak.what for leak in found_out(decide(after, 11).hidden | held)] == ["a"]


def test_a_cell_that_alone_does_not_stand_as_it_was(con):
    """15 of 60, then 4 of 80: whoever saw the 15 takes it from no 15† that there are 10 at most."""
    before, after = [cell("n", 60), cell("x", 15, "n")], [cell("n", 80), cell("x", 4, "n")]
    spec = {"t": TableSpec(whole_is({"x": "n"}))}
    first, rows = published(con, before)
    for earlier, is_learnt in ((rows, False), ((), True)):
        second, _ = published(con, after, frozenset({"x", "n but not x"}), 2, earlier)
        assert bool(attack_files(second, truth_of(after), spec, first).leaks) == is_learnt


ARMS = {"yoga": (30, 60), "baclofen": (5, 40), "walking": (25, 50)}


def arms(needs, statistic=None):
    """Three treatments, one with few for whom it did much; and the share of all together."""
    cells = [cell("takers", 400, second="takers", first="all", statistics=(statistic,) if statistic else ())]
    for name, (x, n) in ARMS.items():
        cells.append(cell(f"{name} rated", n, first=name, second="rated"))
        cells.append(cell(f"{name} much", x, f"{name} rated", first=name, second="much"))
    return cells


ARM_SPEC = {
    "t": TableSpec(lambda place: ("t", place[1], "rated") if place[2] == "much" else None, arms=("much", "rated"))
}


def pooled(needs=()):
    share = sum(x for x, _ in ARMS.values()) / sum(n for _, n in ARMS.values())
    return Statistic("pooled_share", share, None, None, "share", "all arms", needs)


def test_the_pooled_share_printed_beside_a_hidden_arm(con):
    needs = tuple(f"{name} much" for name in ARMS)
    honest, mutant = arms((), pooled(needs)), arms((), pooled())
    assert attack_files(published(con, honest)[0], truth_of(honest), ARM_SPEC).leaks == []
    leaks = attack_files(published(con, mutant)[0], truth_of(mutant), ARM_SPEC).leaks
    assert ("baclofen much", 5, 5) in {(leak.what, leak.low, leak.high) for leak in leaks}


def test_a_shrunken_share_of_a_hidden_arm(con):
    """Two arms that are shown give away towards what all are shrunken, and with that the third."""
    a, b = 9.0, 11.0
    cells = []
    for found in arms(()):
        name, _, what = found.cell_key.partition(" ")
        x, n = ARMS.get(name, (0, 0))
        told = Statistic("shrunk_share", (a + x) / (a + b + n), None, None, "share", "beta-binomial")
        cells.append(replace(found, statistics=(told,)) if what == "much" else found)
    assert attack_files(published(con, cells)[0], truth_of(cells), ARM_SPEC).leaks == [], "hidden with its count"
    frame = published(con, cells)[1]
    for row in frame:
        if (row["cell_key"], row["statistic"]) == ("baclofen much", "shrunk_share"):
            row |= {"state": "shown", "value": (a + 5) / (a + b + 40)}
    mutant = Published([_figure(row) for row in frame], published(con, cells)[0].as_of)
    assert any(leak.what == "baclofen much" for leak in attack_files(mutant, truth_of(cells), ARM_SPEC).leaks)


def curve(days):
    """At risk and survival, where one person stops on every day."""
    cells, survival = [], 1.0
    for day in range(91):
        at_risk = 200 - day
        survival *= 1 - 1 / at_risk if day else 1
        told = Statistic("survival", survival, None, None, "probability", "Kaplan and Meier")
        if day in days:
            cells.append(cell(f"at risk, day {day}", at_risk, first="yoga", second=str(day), statistics=(told,)))
    return cells


def test_a_survival_curve_with_daily_steps(con):
    spec = {"t": TableSpec()}
    few, daily = curve({0, 90}), curve(set(range(91)))
    assert attack_files(published(con, few)[0], truth_of(few), spec).leaks == []
    leaks = attack_files(published(con, daily)[0], truth_of(daily), spec).leaks
    assert len(leaks) > 50
    assert all(leak.low <= 1 <= leak.high for leak in leaks)


def test_few_who_moved_are_told_from_many_who_did(con):
    before = Truth({"a": 60}, {"a": 0})
    assert moved(before, Truth({"a": 52}, {"a": (1 << 40) - 1}))("a", None) == 40
    assert moved(before, Truth({"a": 60}, {"a": 0b111}))("a", None) == 3
