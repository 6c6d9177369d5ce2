"""The cells of instruments and change: sums that hold, and figures that nothing few can be computed back to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from warehouse_records import Warehouse

from flows.stages.cells import decide, read_cells, relations_of
from flows.stages.frame import label, publishable
from schemas.topics import topics, words

AT = datetime(2025, 6, 30, 12, tzinfo=UTC)
START = date(2024, 1, 10)


@pytest.fixture(scope="module")
def released(new_warehouse):
    """(cells, rows of the frame by cell key and statistic): 40 start yoga, 36 are assessed again, five of whom score worse."""
    with new_warehouse() as con:
        warehouse = Warehouse(con)
        for number in range(80):
            name = f"p{number}"
            warehouse.patient(name, ms_course="rrms")
            if number >= 60:  # takes it too, nobody knows since when
                warehouse.add("treatment_episode", name, treatment_code="yoga", purpose_codes=["pain"])
            if number < 40:
                warehouse.add(
                    "treatment_episode", name, treatment_code="yoga", started_on=START, started_on_precision="day", purpose_codes=["pain"]
                )  # fmt: skip
            for day, level in ((-200, 3), (0, 3 + number % 2), (90, 2 + number % 2), (480, 3)):
                if day == 90 and 36 <= number < 40:
                    continue
                warehouse.add(
                    "outcome_assessment", name, instrument_code="msws_12", instrument_version="v1", assessed_on=START + timedelta(day),
                    item_responses=[5 if number < 5 and day == 90 else level] * 12,
                )  # fmt: skip
                warehouse.add(
                    "outcome_assessment", name, instrument_code="pdds", assessed_on=START + timedelta(day), item_responses=[level]
                )  # fmt: skip
        warehouse.build_all()
        cells = read_cells(con)
        hidden = decide(cells, 11).hidden
        frame = publishable(con, cells, hidden, 1, 1, AT).to_pylist()
        yield cells, {(row["table_id"], row["cell_key"], row["statistic"]): row for row in frame}


STEM = "condition=ms|source_family=native|treatment=yoga|change=msws_12 v1 total"


def test_counts_of_one_set_agree_and_all_sums_hold(released):
    cells, _ = released
    relations = relations_of(cells)
    for relation in relations.relations:
        assert relations.counts[relation.parent] == sum(relations.counts[child] for child in relation.children)


def test_few_who_are_lost_hide_how_many_were_due_and_not_the_change_of_the_others(released):
    _, rows = released
    assert rows["change_flow", f"{STEM}|lost=90", "count"]["state"] == "suppressed"
    assert rows["change_flow", f"{STEM}|due=90", "count"]["state"] == "suppressed"
    mean = rows["change_mean", f"{STEM}|both=90", "mean_change"]
    assert (mean["state"], mean["n_patients"]) == ("shown", 36)


def test_those_who_are_lost_are_parted_by_whether_they_still_report(released):
    cells, _ = released
    found = {
        c.value_2: c.cell_count for c in cells if c.table_id == "change_attrition" and c.value_1 == "msws_12 v1 total"
    }
    lost = next(c for c in cells if c.cell_key == f"{STEM}|lost=90").cell_count
    assert (found["lost_reporting_90"], found["lost_silent_90"], lost) == (4, 0, 4)


def test_a_share_is_bounded_by_what_may_have_become_of_those_who_are_lost(warehouse):
    """40 were due, 24 have a second score, 12 of whom got better: 30 to 70 % of all, whatever became of the other 16."""
    for number in range(40):
        name = f"p{number}"
        warehouse.patient(name, ms_course="rrms")
        warehouse.add(
            "treatment_episode", name, treatment_code="yoga", started_on=START, started_on_precision="day", purpose_codes=["pain"]
        )  # fmt: skip
        for day, level in ((0, 3), (90, 2 if number < 12 else 3)):
            if day == 0 or number < 24:
                warehouse.add(
                    "outcome_assessment", name, instrument_code="msws_12", instrument_version="v1", assessed_on=START + timedelta(day),
                    item_responses=[level] * 12,
                )  # fmt: skip
    warehouse.build_all()
    cells = read_cells(warehouse.con)
    improved = next(cell for cell in cells if cell.cell_key == f"{STEM}|both=90|mid_improved")
    bounds = {s.statistic: s for s in improved.statistics if "lost" in s.statistic}
    assert {name: s.value for name, s in bounds.items()} == {"share_if_lost_did_not": 0.3, "share_if_lost_did": 0.7}
    frame = publishable(warehouse.con, cells, decide(cells, 11).hidden, 1, 1, AT).to_pylist()
    states = {row["statistic"]: row["state"] for row in frame if row["cell_key"] == improved.cell_key}
    assert states["share_if_lost_did_not"] == states["share_if_lost_did"] == "shown"


def test_a_bound_is_hidden_with_the_few_it_would_tell_of(released):
    _, rows = released
    lost = rows["responder_mid_90", f"{STEM}|both=90|mid_improved", "share_if_lost_did"]
    assert lost["state"] == "suppressed"


def test_few_who_worsened_are_hidden_with_a_second_group(released):
    _, rows = released
    states = {
        name: rows["responder_mid_90", f"{STEM}|both=90|mid_{name}", "count"]["state"]
        for name in ("improved", "stable", "worsened")
    }
    assert states["worsened"] == "suppressed"
    assert (
        list(states.values()).count("suppressed") >= 2
        or rows["change_mean", f"{STEM}|both=90", "count"]["value"] is None
    )


def test_no_count_of_one_to_ten_is_shown(released):
    _, rows = released
    shown = [row["value"] for row in rows.values() if row["statistic"] == "count" and row["state"] == "shown" and row["unit"] == "patients"]  # fmt: skip
    assert shown
    assert not [value for value in shown if 0 < value < 11]


def test_a_row_of_a_table_has_a_key_of_its_own(released):
    """A figure that is held back is found by table, key and statistic."""
    cells, _ = released
    keys = [(cell.table_id, cell.cell_key, s.statistic) for cell in cells for s in cell.statistics]
    keys += [(cell.table_id, cell.cell_key, "count") for cell in cells]
    assert len(keys) == len(set(keys))


def test_every_table_value_and_statistic_has_words(released):
    cells, _ = released
    for topic in (topic for topic in topics() if topic.topic in ("instruments", "change")):
        mine = [cell for cell in cells if cell.topic == topic.topic]
        assert {cell.table_id for cell in mine} <= {table.table_id for table in topic.tables}
        for cell in mine:
            assert {s.statistic for s in cell.statistics} <= set(topic.statistics)
            if cell.dimension_2:
                assert cell.value_2 in words()[cell.dimension_2]


def test_a_scale_is_named_in_words():
    assert label("instrument_scale", "msws_12 v1 total") == "12-item Multiple Sclerosis Walking Scale, version 1"
    assert (
        label("instrument_scale", "mfis v1 total source")
        == "Modified Fatigue Impact Scale: total, as the source scored it"
    )


def test_mismatches_of_scores_are_counted_with_the_quality_of_the_data(warehouse):
    warehouse.patient("p")
    for source in (50.0, 51.0, None):
        warehouse.add(
            "outcome_assessment", "p", instrument_code="msws_12", instrument_version="v1", assessed_on=START, item_responses=[3] * 12,
            source_score=source,
        )  # fmt: skip
    warehouse.build_all()
    found = {cell.cell_key: cell.cell_count for cell in read_cells(warehouse.con) if cell.table_id.startswith("score_")}
    assert found["records|score|instrument=msws_12"] == 2
    assert found["records|score|instrument=msws_12|mismatch"] == 1
