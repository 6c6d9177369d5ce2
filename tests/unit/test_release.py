"""From cells to published figures: what is hidden, what is said of it, and that nothing else gets out."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from flows.errors import PipelineError
from flows.stages.cells import Cell, Statistic, decide, relations_of, remainder_key
from flows.stages.frame import frame_schema, label, publishable
from flows.stages.suppression import Relation
from sql import statement

AT = datetime(2025, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def con():
    with duckdb.connect(":memory:") as opened:
        for name in ("wilson_low", "wilson_high"):
            opened.execute(statement(f"macros/{name}"))
        yield opened


def cell(key: str, count: int, whole: str | None = None, **given) -> Cell:
    values = {
        "topic": "symptoms", "table_id": "t", "position": 1.0, "dimension_1": "symptom", "value_1": key, "dimension_2": None, "value_2": None,
        "patient_set": None, "part_of": (), "unit": "patients", "has_interval": True, "is_expendable": False, "mart": "symptom_prevalence",
    }  # fmt: skip
    return Cell(cell_key=key, denominator_key=whole, cell_count=count, **(values | given))


def published(con, cells: list[Cell]) -> dict[tuple[str, str], dict]:
    hidden = decide(cells, 11).hidden
    rows = publishable(con, cells, hidden, 1, 3, AT).to_pylist()
    return {(row["cell_key"], row["statistic"]): row for row in rows}


HIDDEN = {"state": "suppressed", "n_patients": None, "denominator": None, "value": None, "low": None, "high": None}


def shows(row: dict) -> dict:
    return {name: row[name] for name in HIDDEN}


def test_a_shown_share_has_count_denominator_and_interval(con):
    found = published(con, [cell("n", 400), cell("x", 180, "n")])
    share = shows(found["x", "share"])
    assert (share["state"], share["n_patients"], share["denominator"], share["value"]) == ("shown", 180, 400, 0.45)
    assert (share["low"], share["high"]) == pytest.approx((0.4020, 0.4990), abs=5e-5)
    assert shows(found["x", "count"]) == HIDDEN | {
        "state": "shown",
        "n_patients": 180,
        "denominator": 400,
        "value": 180.0,
    }


def test_ten_of_twelve_shows_nothing_at_all(con):
    found = published(con, [cell("n", 12), cell("x", 10, "n")])
    assert [shows(row) for row in found.values()] == [HIDDEN] * 3


def test_58_of_60_hides_share_and_count_and_shows_the_denominator(con):
    found = published(con, [cell("n", 60), cell("x", 58, "n")])
    assert shows(found["x", "count"]) == shows(found["x", "share"]) == HIDDEN
    assert found["n", "count"]["n_patients"] == 60


def test_a_zero_is_shown_as_zero(con):
    found = published(con, [cell("n", 40), cell("x", 0, "n")])
    assert (found["x", "count"]["n_patients"], found["x", "share"]["value"], found["x", "share"]["low"]) == (
        0,
        0.0,
        0.0,
    )


def mean(*needs):
    return (Statistic("mean", -4.2, -6.0, -2.4, "points", "t interval", needs),)


def test_a_statistic_stands_beside_the_count_of_its_patients(con):
    found = published(con, [cell("n", 40), cell("x", 20, "n", statistics=mean())])
    assert shows(found["x", "mean"]) == {
        "state": "shown", "n_patients": 20, "denominator": 40, "value": -4.2, "low": -6.0, "high": -2.4
    }  # fmt: skip
    assert (found["x", "mean"]["unit"], found["x", "mean"]["method"]) == ("points", "t interval")


@pytest.mark.parametrize(
    "cells",
    [
        [cell("n", 40), cell("x", 8, "n", statistics=mean())],
        [cell("n", 40), cell("x", 35, "n", statistics=mean())],
        [cell("n", 40), cell("x", 20, "n", statistics=mean("y")), cell("y", 5, "n")],
        [cell("n", 40), cell("x", 20, "n", statistics=mean("y")), cell("y", 33, "n")],
    ],
    ids=["few", "few are left over", "few in a cell it needs", "few left over of a cell it needs"],
)
def test_a_statistic_is_hidden_with_all_that_it_could_be_computed_back_to(con, cells):
    assert shows(published(con, cells)["x", "mean"]) == HIDDEN


def test_of_nobody_there_is_no_statistic(con):
    assert ("x", "mean") not in published(con, [cell("n", 40), cell("x", 0, "n", statistics=mean())])


def test_a_statistic_that_needs_what_is_no_cell_is_a_fault(con):
    with pytest.raises(PipelineError, match="needs 'z'"):
        published(con, [cell("x", 20, statistics=mean("z"))])


def test_no_one_in_the_denominator_gives_no_share(con):
    assert ("x", "share") not in published(con, [cell("n", 0), cell("x", 0, "n")])


def test_suppressed_is_never_a_number(con):
    found = published(
        con, [cell("n", 100), *(cell(k, n, "n", part_of=(("n", "by"),)) for k, n in {"a": 1, "b": 1, "c": 98}.items())]
    )
    assert {key for key, row in found.items() if row["state"] == "suppressed"} == {
        (k, s) for k in "abc" for s in ("count", "share")
    }
    assert all(shows(row) == HIDDEN for row in found.values() if row["state"] == "suppressed")


def test_the_same_patients_under_two_names_are_one_cell(con):
    """58 of 60 in one table; the same 58 as a count of their own in another must not stand there to be read."""
    cells = [
        cell("n", 60, patient_set=0b110),
        cell("x", 58, "n", patient_set=0b010),
        cell("y", 58, table_id="u", patient_set=0b010),
    ]
    assert published(con, cells)["y", "count"]["state"] == "suppressed"


def test_the_patients_left_over_are_known_by_their_fingerprint(con):
    """Those who are not of x are the cell of another table, whatever its name."""
    cells = [
        cell("n", 60, patient_set=0b110),
        cell("x", 20, "n", patient_set=0b010),
        cell("z", 40, table_id="u", patient_set=0b100),
    ]
    assert relations_of(cells).names[remainder_key(cells[1])] == "z"


def test_two_values_that_another_table_shows_as_one_are_a_sum_whether_declared_or_not(con):
    """37 blame both and 8 say nothing: hidden, until another table says 120 of those who blame inactivity, by itself or too."""
    causes = {"nerve": 103, "inactivity": 83, "both": 37, "unknown": 8}
    sets = {name: 1 << place for place, name in enumerate(causes)}
    cells = [
        cell("n", 231, patient_set=0b1111),
        *(cell(k, n, "n", part_of=(("n", "by"),), patient_set=sets[k]) for k, n in causes.items()),
        cell("inactive", 120, table_id="u", patient_set=sets["inactivity"] | sets["both"]),
    ]
    assert Relation("inactive", ("both", "inactivity")) in relations_of(cells).relations
    found = published(con, cells)
    shown = {key for key, statistic in found if statistic == "count" and found[key, statistic]["state"] == "shown"}
    assert not {"both", "unknown"} & shown
    assert not {"inactive", "inactivity"} <= shown


def taken_for(*purposes: set[int], **given) -> list[Cell]:
    """Takers of one treatment and, overlapping, those of each purpose."""
    takers = set().union(*purposes)
    return [
        cell("t", len(takers), patient_set=as_set(takers)),
        *(
            cell(f"p{i}", len(members), "t", patient_set=as_set(members), covers_key="t", **given)
            for i, members in enumerate(purposes)
        ),
    ]


def as_set(members: set[int]) -> int:
    return sum(1 << member for member in members)


def test_few_patients_with_both_purposes_cannot_be_told_by_adding_up(con):
    """48 for pain and 50 for spasticity are 93 takers: 5 took it for both."""
    found = published(con, taken_for(set(range(48)), set(range(43, 93))))
    counts = {key: row["state"] for (key, statistic), row in found.items() if statistic == "count"}
    assert sorted(counts.values()) == ["shown", "shown", "suppressed"]


@pytest.mark.parametrize("both", [0, 20])
def test_none_or_many_with_both_purposes_cost_nothing(con, both):
    found = published(con, taken_for(set(range(50)), set(range(50 - both, 100 - both))))
    assert {row["state"] for row in found.values()} == {"shown"}


def test_an_excess_that_few_patients_may_make_up_is_no_count_of_many(con):
    """15 purposes beyond the first, of three: they may be those of 8 patients."""
    purposes = [set(range(100)), set(range(92, 200)), set(range(93, 100)) | set(range(200, 300))]
    assert sum(map(len, purposes)) - 300 == 15
    assert "suppressed" in {row["state"] for row in published(con, taken_for(*purposes)).values()}


def test_purposes_of_the_very_same_patients_are_one_part(con):
    found = published(con, taken_for(set(range(60)), set(range(60)), set(range(55, 100))))
    counts = {key: row["state"] for (key, statistic), row in found.items() if statistic == "count"}
    assert counts["p0"] == counts["p1"]
    assert "suppressed" in counts.values()


def test_parts_that_do_not_cover_their_whole_are_a_fault(con):
    with pytest.raises(PipelineError, match="do not cover"):
        relations_of([cell("t", 20), cell("p", 15, "t", covers_key="t")])


def test_a_small_remainder_costs_the_denominator_and_not_the_report(con):
    """4 of 1,923 did not report on fatigue: its denominator goes, with all shares of it; other symptoms stay."""
    cells = [cell("all", 1923, patient_set=0b111, has_interval=False)]
    for bit, (symptom, reporting) in enumerate({"fatigue": 1919, "pain": 700}.items()):
        cells.append(cell(symptom, reporting, "all", patient_set=1 << bit))
        levels = {"none": 160, "mild": 240, "moderate": reporting - 400}
        cells += [
            cell(f"{symptom} {level}", n, symptom, patient_set=1 << (8 + 4 * bit + i), part_of=((symptom, "level"),))
            for i, (level, n) in enumerate(levels.items())
        ]
    found = published(con, cells)
    counts = {key for (key, statistic), row in found.items() if statistic == "count" and row["state"] == "suppressed"}
    assert counts == {"fatigue", "fatigue none"}
    assert {key for (key, statistic), row in found.items() if statistic == "share" and row["state"] == "suppressed"} == {
        "fatigue", "fatigue none", "fatigue mild", "fatigue moderate",
    }  # fmt: skip


def test_records_are_guarded_and_files_are_not(con):
    common = {"topic": "data_quality", "has_interval": False}
    found = published(con, [cell("r", 3, unit="records", **common), cell("f", 3, unit="files", **common)])
    assert shows(found["r", "count"]) == HIDDEN
    assert (found["f", "count"]["value"], found["f", "count"]["n_patients"]) == (3.0, None)


def test_one_key_with_two_counts_is_a_fault(con):
    with pytest.raises(PipelineError, match="two counts"):
        relations_of([cell("x", 20), cell("x", 21, table_id="u")])


def test_a_part_greater_than_its_whole_is_a_fault(con):
    with pytest.raises(PipelineError, match="greater than its whole"):
        relations_of([cell("n", 20), cell("x", 21, "n")])


def test_the_frame_of_nothing_has_all_columns(con):
    assert publishable(con, [], frozenset(), 1, 0, AT).schema == frame_schema()


@pytest.mark.parametrize(
    ("dimension", "value", "words"),
    [
        ("symptom", "muscle_weakness", "Muscle weakness"),
        ("treatment for purpose", "physical_therapy for spasticity", "Physical therapy for spasticity"),
        ("treatment for purpose", "yoga for not_stated", "Yoga for no stated purpose"),
        ("ms_course", "rrms", "Relapsing-remitting MS"),
        ("age_band", "40-49", "40–49"),
        ("symptom", "not_in_any_list", "not_in_any_list"),
    ],
)
def test_labels(dimension, value, words):
    assert label(dimension, value) == words


def test_the_stored_table_has_the_columns_of_the_frame():
    with duckdb.connect(":memory:") as con:
        con.execute("CREATE SCHEMA ops")
        con.execute(statement("warehouse/ops/release_cell"))
        assert [row[0] for row in con.execute("DESCRIBE ops.release_cell").fetchall()] == frame_schema().names
