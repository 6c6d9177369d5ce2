"""Suppression holds on any table: checked by an attack written apart from the code under test."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modes import examples
from scipy.optimize import linprog

from flows.errors import HeldError, PipelineError
from flows.stages import sums, suppression
from flows.stages.cells import Cell, decide
from flows.stages.suppression import Relation, suppress

MINIMUM = 11


def two_way(body: list[list[int]]) -> tuple[dict[str, int], list[Relation]]:
    """A table with its margins: rows and columns add up to their totals, those to the grand total."""
    rows, columns = range(len(body)), range(len(body[0]))
    counts = {f"r{i}c{j}": body[i][j] for i in rows for j in columns}
    counts |= {f"r{i}": sum(body[i]) for i in rows} | {f"c{j}": sum(row[j] for row in body) for j in columns}
    counts["all"] = sum(map(sum, body))
    relations = [Relation(f"r{i}", tuple(f"r{i}c{j}" for j in columns)) for i in rows]
    relations += [Relation(f"c{j}", tuple(f"r{i}c{j}" for i in rows)) for j in columns]
    relations += [Relation("all", tuple(f"r{i}" for i in rows)), Relation("all", tuple(f"c{j}" for j in columns))]
    return counts, relations


def share_of(n: int, x: int) -> tuple[dict[str, int], list[Relation]]:
    return {"n": n, "x": x, "rest": n - x}, [Relation("n", ("x", "rest"))]


def width(
    counts: dict[str, int],
    relations: list[Relation],
    hidden: frozenset[str],
    cell: str,
    least: dict[str, int] | None = None,
) -> float:
    """How many counts above the least possible one an attacker must leave open who sees all but the hidden cells."""
    unknown = sorted(hidden)
    matrix, right = [], []
    for relation in relations:
        row, constant = np.zeros(len(unknown)), 0
        for key, sign in [(relation.parent, 1), *((child, -1) for child in relation.children)]:
            if key in hidden:
                row[unknown.index(key)] += sign
            else:
                constant -= sign * counts[key]
        if row.any():
            matrix.append(row)
            right.append(constant)
    ends = []
    for sign in (1, -1):
        goal = np.zeros(len(unknown))
        goal[unknown.index(cell)] = sign
        found = linprog(
            goal,
            A_eq=np.array(matrix) if matrix else None,
            b_eq=right or None,
            bounds=[((least or {}).get(key, 1), None) for key in unknown],
        )
        assert found.status in (0, 3), found.message
        ends.append(math.inf if found.status == 3 else found.fun * sign)
    return math.floor(ends[1] + 1e-6) - math.ceil(ends[0] - 1e-6) if math.isfinite(ends[1]) else math.inf


def assert_safe(counts, relations, found):
    assert {key for key, n in counts.items() if 0 < n < MINIMUM} <= found.hidden, "a primary cell is shown"
    assert not [key for key in found.hidden if counts[key] == 0], (
        "a zero is hidden: it protects nothing, since zeros are shown"
    )
    for relation in relations:
        members = [key for key in (relation.parent, *relation.children) if key in found.hidden]
        assert len(members) != 1, "a hidden cell follows by subtraction"
    for cell in found.primary:
        assert width(counts, relations, found.hidden, cell) >= MINIMUM, cell


# Known answers


def test_two_by_three_table_with_margins():
    counts, relations = two_way([[4, 30, 26], [40, 35, 25]])
    assert suppress(counts, relations, MINIMUM).hidden == {"r0c0", "r0c2", "r1c0", "r1c2"}


def test_ten_of_twelve_hides_the_denominator_too():
    counts, relations = share_of(12, 10)
    assert suppress(counts, relations, MINIMUM).hidden == {"n", "x", "rest"}


def test_58_of_60_hides_the_share_and_shows_the_denominator():
    counts, relations = share_of(60, 58)
    assert suppress(counts, relations, MINIMUM).hidden == {"x", "rest"}


def test_two_children_of_one_hide_their_large_sibling():
    counts = {"n": 100, "a": 1, "b": 1, "c": 98}
    assert suppress(counts, [Relation("n", ("a", "b", "c"))], MINIMUM).hidden == {"a", "b", "c"}


def test_two_children_of_ten_protect_each_other():
    counts = {"n": 100, "a": 10, "b": 10, "c": 80}
    assert suppress(counts, [Relation("n", ("a", "b", "c"))], MINIMUM).hidden == {"a", "b"}


def test_nobody_of_twelve_is_shown():
    counts, relations = share_of(12, 0)
    assert suppress(counts, relations, MINIMUM).hidden == frozenset()


def test_one_set_of_patients_under_two_names_is_hidden_under_both():
    counts = {"n": 60, "x": 58, "rest": 2, "again": 58}
    relations = [Relation("n", ("x", "rest")), Relation("again", ("x",))]
    assert suppress(counts, relations, MINIMUM).hidden == {"x", "rest", "again"}


def test_a_nested_set_is_protected_against_its_remainder():
    counts = {"spms": 60, "nrspms": 55, "other": 5, "all": 100, "rrms": 40}
    relations = [Relation("spms", ("nrspms", "other")), Relation("all", ("rrms", "spms"))]
    assert suppress(counts, relations, MINIMUM).hidden == {"nrspms", "other"}


def test_what_is_expendable_is_hidden_first():
    counts = {"members": 1005, "counted": 1000, "rest": 5, "a": 600, "b": 400}
    relations = [Relation("members", ("counted", "rest")), Relation("counted", ("a", "b"))]
    assert suppress(counts, relations, MINIMUM, expendable=frozenset({"members"})).hidden == {"members", "rest"}


def test_two_hidden_that_leave_too_little_room_get_a_third_before_any_audit(monkeypatch):
    monkeypatch.setattr("flows.stages.suppression._Network.exposed", lambda *_: [])
    counts = {"n": 100, "a": 1, "b": 1, "c": 60, "d": 38}
    assert suppress(counts, [Relation("n", ("a", "b", "c", "d"))], MINIMUM).hidden == {"a", "b", "d"}


# Repair and withdrawal: what subtraction alone does not show


def test_the_audit_finds_what_closing_lets_pass():
    """Two or more are hidden in every row and column, and still the corner is known but for three values."""
    body = [[1, 12, 90], [2, 90, 12], [90, 90, 90]]
    counts, relations = two_way(body)
    found = suppress(counts, relations, MINIMUM)
    assert_safe(counts, relations, found)


def test_a_table_in_which_nobody_is_safe_is_hidden_whole():
    counts, relations = two_way([[1, 1], [1, 1]])
    assert suppress(counts, relations, MINIMUM).hidden == set(counts)


def deep_table(seed: int, size: int) -> tuple[dict[str, int], list[Relation]]:
    """A table with margins of which every cell, row and column has a share and the rest of it: three tables, linked everywhere."""
    g = random.Random(seed)
    body = [[g.choice([0, 3, 8, 14, 15, 20, 40, 90]) for _ in range(size)] for _ in range(size)]
    share = [[g.randint(0, n) for n in row] for row in body]
    rest = [[n - x for n, x in zip(*rows, strict=True)] for rows in zip(body, share, strict=True)]
    counts, relations = {}, []
    for name, part in {"all ": body, "share ": share, "rest ": rest}.items():
        own, sums = two_way(part)
        counts |= {name + key: n for key, n in own.items()}
        relations += [Relation(name + r.parent, tuple(name + child for child in r.children)) for r in sums]
    relations += [Relation("all " + key, ("share " + key, "rest " + key)) for key in own]
    return counts, relations


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_linked_tables_are_safe(seed, size):
    counts, relations = deep_table(seed, size)
    assert_safe(counts, relations, suppress(counts, relations, MINIMUM))


def test_a_cell_that_halves_leave_in_doubt_is_protected():
    """Hidden just so far that `a` may be anything from 1.5 to 12.5, which is 11 apart and still no more than 11 whole numbers."""
    counts = {"a": 5, "b": 13, "c": 8, "d": 10, "e": 16, "ab": 18, "be": 29, "ce": 24, "de": 26, "bcd": 31, "sum": 86}
    relations = [
        Relation("ab", ("a", "b")),
        Relation("be", ("b", "e")),
        Relation("ce", ("c", "e")),
        Relation("de", ("d", "e")),
        Relation("bcd", ("b", "c", "d")),
        Relation("sum", ("bcd", "be", "de")),
    ]
    assert_safe(counts, relations, suppress(counts, relations, MINIMUM, expendable=frozenset({"bcd"})))


def test_next_to_nothing_is_hidden_in_vain():
    """A cell was hidden in vain if all others would be as safe were it shown."""

    def is_safe(counts, relations, found, hidden):
        members = ([key for key in (r.parent, *r.children) if key in hidden] for r in relations)
        return all(len(found) != 1 for found in members) and all(
            width(counts, relations, hidden, cell) >= MINIMUM for cell in found.primary
        )

    in_vain = total = 0
    for seed in range(12):
        counts, relations = deep_table(seed, 3)
        found = suppress(counts, relations, MINIMUM)
        partners = found.hidden - found.primary
        in_vain += sum(is_safe(counts, relations, found, found.hidden - {cell}) for cell in partners)
        total += len(partners)
    assert in_vain <= total / 10, f"{in_vain} of {total}"


def test_a_false_relation_stops_the_release():
    with pytest.raises(PipelineError, match="do not add up"):
        suppress({"n": 10, "x": 4, "rest": 5}, [Relation("n", ("x", "rest"))], MINIMUM)


def test_an_attack_that_cannot_be_solved_holds_the_release(monkeypatch):
    class Unsolved:
        status, message = 2, "infeasible"

    monkeypatch.setattr("scipy.optimize.linprog", lambda *_, **__: Unsolved())
    counts, relations = two_way([[4, 30, 26], [40, 35, 25]])
    with pytest.raises(HeldError, match="not solved"):
        suppress(counts, relations, MINIMUM)


# Any table

BODY = st.integers(2, 5).flatmap(
    lambda columns: st.lists(
        st.lists(st.one_of(st.just(0), st.integers(0, 14), st.integers(0, 200)), min_size=columns, max_size=columns),
        min_size=2,
        max_size=5,
    )
)


@examples(40, 1000)
@given(BODY)
def test_random_tables_are_safe(body):
    counts, relations = two_way(body)
    assert_safe(counts, relations, suppress(counts, relations, MINIMUM))


@pytest.mark.parametrize("seed", range(12))
def test_skewed_tables_of_many_patients_are_safe(seed):
    g = np.random.default_rng(seed)
    shares = g.dirichlet([0.7] * 48)
    body = g.multinomial(int(g.lognormal(6.5, 1)), shares).reshape(6, 8).tolist()
    counts, relations = two_way(body)
    assert_safe(counts, relations, suppress(counts, relations, MINIMUM))


@examples(40, 1000)
@given(BODY)
def test_what_spares_linear_programs_changes_no_answer(body):
    counts, relations = two_way(body)
    found = suppress(counts, relations, MINIMUM)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sums, "rough_limits", lambda size, _: [(1.0, math.inf)] * size)
        patched.setattr(sums, "without_limit", lambda *_: frozenset())
        patched.setattr(suppression._Network, "_stretch", lambda *_: None)
        assert suppress(counts, relations, MINIMUM) == found


@examples(40, 1000)
@given(BODY)
def test_what_protects_is_found_far_away_if_there_is_nothing_near(body):
    counts, relations = two_way(body)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(suppression, "_NEAR", 2)
        assert_safe(counts, relations, suppress(counts, relations, MINIMUM))


@examples(30, 1000)
@given(BODY, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(body, shuffler: random.Random):
    counts, relations = two_way(body)
    items = list(counts.items())
    shuffled = [Relation(r.parent, tuple(shuffler.sample(r.children, len(r.children)))) for r in relations]
    shuffler.shuffle(items)
    shuffler.shuffle(shuffled)
    assert suppress(dict(items), shuffled, MINIMUM) == suppress(counts, relations, MINIMUM)


@examples(40, 1000)
@given(st.integers(0, 300), st.integers(0, 300))
def test_any_share_is_safe(x, rest):
    counts, relations = share_of(x + rest, x)
    assert_safe(counts, relations, suppress(counts, relations, MINIMUM))


@examples(30, 1000)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=6), st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_a_hierarchy_of_shares_is_safe(parts, rests):
    """A whole with parts, each of which has a share and a remainder of its own: linked tables."""
    counts = {"whole": sum(parts)} | {f"p{i}": n for i, n in enumerate(parts)}
    relations = [Relation("whole", tuple(f"p{i}" for i in range(len(parts))))]
    for i, rest in enumerate(rests[: len(parts)]):
        share = max(0, parts[i] - rest)
        counts |= {f"p{i}x": share, f"p{i}r": parts[i] - share}
        relations.append(Relation(f"p{i}", (f"p{i}x", f"p{i}r")))
    assert_safe(counts, relations, suppress(counts, relations, MINIMUM))


# The published figures of a report, attacked from outside


Sum = tuple[tuple[str, ...], tuple[str, ...]]


def survey(g: random.Random) -> tuple[list[Cell], list[Sum]]:
    """Patients, symptoms they reported on and how severe, and what they took for which purposes: as cells, and as the
    sums any reader of the page knows: those of the first add up to as much as those of the second."""
    people = range(g.choice([9, 30, 80, 400]))
    seen: dict[str, set[int]] = {"all": set(people)}
    wholes: dict[str, str] = {}
    part_of: dict[str, list[tuple[str, str]]] = {}
    covers: dict[str, str] = {}
    for symptom in ("fatigue", "pain", "falls"):
        asked = {p for p in people if g.random() < g.choice([0.3, 0.97])}
        level = {p: g.choices(range(4), g.choice([(4, 3, 2, 1), (30, 10, 1, 1)]))[0] for p in asked}
        seen[symptom], wholes[symptom] = asked, "all"
        groups = {"none": {0}, "mild": {1}, "moderate": {2}, "severe": {3}, "any": {1, 2, 3}, "worse": {2, 3}}
        for name, members in groups.items():
            seen[f"{symptom} {name}"] = {p for p in asked if level[p] in members}
            wholes[f"{symptom} {name}"] = symptom
        for name in ("none", "mild", "moderate", "severe"):
            part_of.setdefault(f"{symptom} {name}", []).append((symptom, "level"))
        for name in ("none", "any"):
            part_of[f"{symptom} {name}"] = [*part_of.get(f"{symptom} {name}", []), (symptom, "any")]
        for name, whole in {"mild": "any", "worse": "any", "moderate": "worse", "severe": "worse"}.items():
            part_of[f"{symptom} {name}"] = [*part_of.get(f"{symptom} {name}", []), (f"{symptom} {whole}", "level")]
    for treatment, count in {"yoga": 2, "baclofen": 3}.items():
        more = g.choice([0.05, 0.3])
        purposes: dict[int, set[int]] = {p: {g.randrange(count)} for p in people if g.random() < 0.6}
        for p in purposes:
            purposes[p] |= {i for i in range(count) if g.random() < more}
        seen[treatment], wholes[treatment] = set(purposes), "all"
        for i in range(count):
            key = f"{treatment} for {i}"
            seen[key], wholes[key], covers[key] = {p for p in purposes if i in purposes[p]}, treatment, treatment
            seen[f"{key} rated"], wholes[f"{key} rated"] = {p for p in seen[key] if g.random() < 0.7}, key
    prints = [g.getrandbits(64) for _ in people]
    cells = []
    for key, members in seen.items():
        mark = 0
        for p in members:
            mark ^= prints[p]
        cells.append(
            Cell(
                "symptoms",
                key.split()[0],
                1.0,
                "d",
                key,
                None,
                None,
                key,
                wholes.get(key),
                len(members),
                mark,
                tuple(part_of.get(key, ())),
                "patients",
                True,
                False,
                "m",
                covers.get(key),
            )  # fmt: skip
        )
    sums: list[Sum] = [((whole,), (key, f"not {key}")) for key, whole in wholes.items()]
    for symptom in ("fatigue", "pain", "falls"):
        sums.append(((symptom,), tuple(f"{symptom} {name}" for name in ("none", "mild", "moderate", "severe"))))
        sums.append(((symptom,), (f"{symptom} none", f"{symptom} any")))
        sums.append(((f"{symptom} any",), (f"{symptom} mild", f"{symptom} worse")))
    for whole in sorted(set(covers.values())):
        # Every patient counts once in the whole, and once more for each purpose beyond the first.
        sums.append(((whole, f"excess of {whole}"), tuple(key for key in covers if covers[key] == whole)))
    return cells, sums


@pytest.mark.parametrize("seed", range(40))
def test_published_figures_withstand_an_attack_from_outside(seed):
    """The attacker sees counts that are shown, and knows the sums; what is not published is unknown to them, even if hidden from none."""
    cells, sums = survey(random.Random(seed))
    hidden = decide(cells, MINIMUM).hidden
    true = {c.cell_key: c.cell_count for c in cells}
    true |= {f"not {c.cell_key}": true[c.denominator_key] - c.cell_count for c in cells if c.denominator_key}
    for whole in {c.covers_key for c in cells if c.covers_key}:
        true[f"excess of {whole}"] = sum(c.cell_count for c in cells if c.covers_key == whole) - true[whole]
    shown = {c.cell_key: c.cell_count for c in cells if c.cell_key not in hidden}
    assert not [key for key, n in shown.items() if 0 < n < MINIMUM]
    unknown = sorted(set(true) - set(shown))
    place = {key: i for i, key in enumerate(unknown)}
    matrix, right = np.zeros((len(sums), len(unknown))), np.zeros(len(sums))
    for row, (left, parts) in enumerate(sums):
        for key, sign in [*((whole, 1) for whole in left), *((part, -1) for part in parts)]:
            if key in shown:
                right[row] -= sign * shown[key]
            else:
                matrix[row, place[key]] += sign
    limits = [(0 if key.startswith(("not ", "excess ")) else 1, None) for key in unknown]
    for key in unknown:
        if not 0 < true[key] < MINIMUM:
            continue
        goal = np.zeros(len(unknown))
        goal[place[key]] = 1
        low, high = (linprog(sign * goal, A_eq=matrix, b_eq=right, bounds=limits) for sign in (1, -1))
        assert low.status == 0
        assert high.status == 3 or math.floor(-high.fun + 1e-6) - math.ceil(low.fun - 1e-6) >= MINIMUM, key


def test_a_partner_that_is_known_to_be_large_hides_nothing() -> None:
    """8 and 100 of 108: that there is a table of the 100 says that they are 100 at least, so that the others are 8 at most."""
    counts, relations = {"all": 108, "large": 100, "small": 8}, [Relation("all", ("large", "small"))]
    assert width(counts, relations, frozenset(["large", "small"]), "small", {"large": 100}) < MINIMUM
    assert suppress(counts, relations, MINIMUM).hidden == {"large", "small"}
    assert suppress(counts, relations, MINIMUM, least={"large": 100}).hidden == {"all", "large", "small"}


@examples(60, 2000)
@given(st.lists(st.lists(st.integers(0, 40), min_size=2, max_size=4), min_size=2, max_size=4), st.data())
def test_what_is_known_of_some_cells_gives_no_other_away(body: list[list[int]], data: st.DataObject) -> None:
    body = [row[: min(map(len, body))] for row in body]
    counts, relations = two_way(body)
    known = data.draw(st.sets(st.sampled_from(sorted(counts))))
    least = {key: data.draw(st.integers(11, counts[key])) for key in sorted(known) if counts[key] >= 11}
    decided = suppress(counts, relations, MINIMUM, least=least)
    for cell in decided.primary:
        assert width(counts, relations, decided.hidden, cell, least) >= MINIMUM


def test_a_cell_that_is_smaller_than_it_is_known_to_be_is_a_fault() -> None:
    with pytest.raises(PipelineError):
        suppress({"n": 20}, [], MINIMUM, least={"n": 21})
