"""Scores in SQL: golden vectors, the rules for items left out, and the reference scorer on generated answers."""

from __future__ import annotations

import random
from datetime import date
from fractions import Fraction

import pytest
from warehouse_records import AS_OF_AT, Warehouse, as_uuid

from schemas.instruments import instruments, score

DAY = date(2025, 5, 1)


def assess(warehouse, instrument, version=None, items=None, source=None, patient="p", **values):
    given = {
        "instrument_code": instrument,
        "instrument_version": version,
        "item_responses": items,
        "source_score": source,
    }
    return warehouse.add("outcome_assessment", patient, assessed_on=DAY, **(given | values))


def scores(warehouse):
    return {(str(row["record_id"]), row["scale"]): row for row in warehouse.rows("SELECT * FROM core.score")}


def only_score(warehouse, scale=None):
    [found] = [row for (_, name), row in scores(warehouse).items() if scale in (None, name)]
    return found


@pytest.fixture
def one(warehouse):
    warehouse.patient("p")
    return warehouse


def summing_to(total, count, low, high):
    answers, rest = [low] * count, total - low * count
    for i in range(count):
        answers[i] += min(rest, high - low)
        rest -= answers[i] - low
    assert rest == 0
    return answers


@pytest.mark.parametrize(
    ("code", "version", "scale", "items", "expected"),
    [
        ("msws_12", "v1", "total", [1] * 12, 0),
        ("msws_12", "v1", "total", [5] * 12, 100),
        ("msws_12", "v1", "total", summing_to(34, 12, 1, 5), 45.83),
        ("msws_12", "v2", "total", [3, 3, 3, *summing_to(25, 9, 1, 5)], 52.38),
        ("msis_29", "v1", "physical", summing_to(60, 20, 1, 5) + [1] * 9, 50),
        ("msis_29", "v2", "physical", summing_to(47, 20, 1, 4) + [1] * 9, 45),
        ("msis_29", "v2", "psychological", [1] * 20 + summing_to(27, 9, 1, 4), 66.67),
        ("mfis", "v1", "physical", [4] * 21, 36),
        ("mfis", "v1", "total", [4] * 21, 84),
        ("mfis_5", "v1", "total", [4] * 5, 20),
        ("fss", "v1", "mean", [5] * 9, 5.0),
        ("msrs_r", "v1", "total", [4] * 8, 32),
        ("pdds", None, "step", [6], 6),
    ],
)
def test_golden_vectors(one, code, version, scale, items, expected):
    assess(one, code, version, items)
    found = only_score(one, scale)
    assert (round(found["score"], 2), found["score_status"], found["scored_by"]) == (expected, "complete", "pipeline")


def test_an_item_left_out_takes_the_mean_place_of_the_others_not_their_raw_mean(one):
    assess(one, "msws_12", "v2", [None] * 3 + [3] * 9)
    found = only_score(one)
    assert (found["score"], found["score_status"]) == (50, "prorated")


def answers_of(random, items):
    """Answers in range, with more or less left out, and now and then something wrong."""
    skip = random.choice([0, 0, 0.05, 0.3, 0.6, 1])
    given = [None if random.random() < skip else random.randint(*span) for span in items]
    if given and random.random() < 0.05:
        given[random.randrange(len(given))] = random.choice([-1, 101])
    if random.random() < 0.05:
        given = given[:-1] if random.random() < 0.5 else [*given, 1]
    return given


@pytest.mark.parametrize("known", [i for i in instruments() if i.versions], ids=lambda i: i.code)
def test_sql_scores_as_the_reference_does(known, new_warehouse):
    with new_warehouse() as con:
        warehouse, randomly, expected = Warehouse(con), random.Random(known.code), {}
        warehouse.patient("p")
        for version in known.versions.values():
            for _ in range(60):
                stated = randomly.choice([version.name, version.name, f" {version.name.upper()}", "v9", None])
                items = answers_of(randomly, version.items)
                record = assess(warehouse, known.code, stated, items)
                for scale in known.scales:
                    reference = score(known.code, stated, scale, items)
                    status = (
                        "not_scorable"
                        if not reference.is_scorable
                        else "prorated"
                        if reference.is_prorated
                        else "complete"
                    )
                    key = (as_uuid(f"outcome_assessment {record}"), scale)
                    expected[key] = (reference.value, status)
        found = {
            key: (
                None if row["score_numerator"] is None else Fraction(row["score_numerator"], row["score_denominator"]),
                row["score_status"],
            )
            for key, row in scores(warehouse).items()
        }
        assert found == expected
        assert {status for _, status in found.values()} >= {"not_scorable"}
        if any(scale.method != "source_only" for scale in known.scales.values()):
            assert {status for _, status in found.values()} >= {"complete"}


def test_fractions_are_in_lowest_terms(one):
    assess(one, "msws_12", "v1", summing_to(34, 12, 1, 5))
    found = only_score(one)
    assert (found["score_numerator"], found["score_denominator"]) == (275, 6)


@pytest.mark.parametrize(
    ("source", "is_mismatch"), [(50.0, False), (50.5, False), (49.5, False), (50.51, True), (45.83, True), (None, None)]
)
def test_a_source_score_may_differ_by_half_a_point(one, source, is_mismatch):
    assess(one, "msws_12", "v1", [3] * 12, source)
    assert only_score(one)["is_mismatch"] is is_mismatch


def test_a_source_score_is_compared_with_the_scale_it_means(one):
    assess(one, "mfis", "v1", [4] * 21, 84.0)
    assess(one, "msis_29", "v1", [3] * 29, 50.0)
    flags = {(row["instrument_code"], row["scale"]): row["is_mismatch"] for row in scores(one).values()}
    assert {key for key, flag in flags.items() if flag is not None} == {("mfis", "total")}
    assert not flags["mfis", "total"]


@pytest.mark.parametrize(
    ("code", "version", "items", "source", "expected"),
    [
        ("t25fw", None, None, 7.2, (7.2, "source")),
        ("t25fw", None, None, 7.204, (7.2, "source")),  # hundredths of a second
        ("t25fw", None, None, 181.0, (None, "source")),
        ("promis_fatigue", "8a", None, 55.3, (55.3, "source")),
        ("eq_5d_5l", "v1", [1, 1, 1, 1, 2], 0.91, (0.91, "source")),
        ("eq_5d_5l", None, None, -0.2, (-0.2, "source")),
        ("msws_12", "v1", None, 45.83, (45.83, "source")),
        ("msws_12", "v1", [None] * 12, 45.83, (45.83, "source")),
        # Answers that our rule cannot score are not replaced by the source's word.
        ("msws_12", "v1", [3] * 5 + [None] * 7, 50.0, (None, None)),
        ("msws_12", None, None, 45.83, (None, None)),  # of which version?
        ("mood", None, None, float("nan"), (None, "source")),
    ],
)
def test_where_only_the_source_can_score_its_score_counts(one, code, version, items, source, expected):
    assess(one, code, version, items, source)
    [found] = list(scores(one).values())
    assert (found["score"], found["scored_by"]) == expected
    assert found["score_status"] == ("complete" if expected[0] is not None else "not_scorable")


def test_a_total_without_answers_is_the_sources_and_its_parts_are_not_scorable(one):
    assess(one, "mfis", "v1", None, 40.0)
    found = {row["scale"]: row["score"] for row in scores(one).values()}
    assert found["total"] == 40
    assert {value for scale, value in found.items() if scale != "total"} == {None}


def test_a_score_names_the_version_of_its_rule(one):
    assess(one, "msws_12", "v1", [3] * 12)
    assess(one, "msws_12", "v2", [3] * 12)
    versions = {row["rule_version"] for row in scores(one).values()}
    assert len(versions) == 2
    assert all(len(version) == 8 for version in versions)


def test_rules_are_made_anew_with_every_report(one):
    one.con.execute("DELETE FROM core.instrument_scale")
    one.build(as_of_at=AS_OF_AT)
    assess(one, "pdds", None, [3])
    assert only_score(one)["score"] == 3
