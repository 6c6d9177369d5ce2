"""Two releases side by side give nobody away: what changed by a few is shown as it was, and what could tell is not shown."""

import random

import modes
import pytest
from release_states import counts, drafted, drafted_without_news, erase, published_200, said_yes

from flows.stages.lifecycle import stored
from flows.stages.release import ShownCell, least_difference


def release(warehouse, batch=1):
    made = drafted(warehouse, batch)
    said_yes(warehouse, made)
    return made


def assert_few_are_no_difference(before, after):
    differences = {key: before[key][0] - value for key, (value, _) in after.items() if key in before}
    assert not [key for key, by in differences.items() if 0 < abs(by) < 11]
    assert before["condition=ms"] == after["condition=ms"] == (200, 1), "it is shown as it was"


@pytest.mark.parametrize("gone", modes.share([1], [1, 3, 10]))
def test_who_was_erased_is_no_difference_between_two_releases(after, gone):
    """Of ten, the next test says so, too."""
    warehouse = after(published_200)
    before = counts(stored(warehouse.con, 1))
    erase(warehouse, *(f"p{n}" for n in range(gone)))
    assert_few_are_no_difference(before, counts(release(warehouse, 2)))


def test_what_is_held_is_compared_with_what_was_shown_and_a_great_change_is_shown(after):
    """Ten are too few; seventeen since the first release are not, though they are seven since the second."""
    warehouse = after(published_200)
    first = counts(stored(warehouse.con, 1))
    erase(warehouse, *(f"p{n}" for n in range(10)))
    assert_few_are_no_difference(first, counts(release(warehouse, 2)))
    erase(warehouse, *(f"p{n}" for n in range(10, 17)))
    assert counts(release(warehouse, 3))["condition=ms"] == (183, 3)
    assert first["condition=ms"] == (200, 1)


def test_what_did_not_change_is_of_the_new_release(after):
    assert {batch for _, batch in counts(drafted_without_news(after(published_200), 2)).values()} == {2}


def test_as_many_who_leave_as_join_are_a_difference(after):
    warehouse = after(published_200)
    erase(warehouse, *(f"p{n}" for n in range(4)))
    for n in range(4):
        warehouse.patient(f"new{n}")
    assert counts(release(warehouse, 2))["condition=ms"] == (200, 1)


def test_what_has_become_too_small_stands_as_it_was_too(warehouse):
    """60 men of 200, then 5: that they alone are suppressed, while others stand as they were, would say that they are few."""
    for n in range(200):
        warehouse.patient(f"p{n}", sex="male" if n < 60 else "female")
    release(warehouse, 1)
    erase(warehouse, *(f"p{n}" for n in range(5, 60)))
    after = counts(release(warehouse, 2))
    assert after["condition=ms|sex=male"] == (60, 1)
    assert after["condition=ms"] == (145, 2)


def test_the_difference_is_never_taken_for_more_than_it_is(warehouse):
    dice = random.Random(1)
    ids = [name for (name,) in warehouse.con.execute("SELECT uuid() FROM range(400)").fetchall()]
    for _ in range(60):
        old = set(dice.sample(ids, dice.randrange(1, 60)))
        new = set(old) ^ set(dice.sample(ids, dice.randrange(0, 30)))
        marks = [
            warehouse.con.execute(
                "SELECT bit_xor(patient_mark(id)) FROM (SELECT unnest($ids::UUID[]) AS id)",
                {"ids": [str(i) for i in group]},
            ).fetchone()[0]
            or 0
            for group in (old, new)
        ]
        found = least_difference(ShownCell(1, len(old), marks[0]), len(new), marks[1])
        assert found <= len(old ^ new)
        assert (found == 0) == (old == new)
