"""Draft, approve, hold: only what was approved is published and counts as shown; a repeat gives the same figures or says why not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from release_states import (
    counts,
    drafted,
    drafted_60,
    drafted_without_news,
    erase,
    held_60,
    held_180,
    join,
    published_60,
    published_200,
    said_yes,
)
from warehouse_records import AS_OF_AT

from flows.errors import HeldError, NotFoundError, UsageError
from flows.stages.differences import DAY_OF, AsOf, figure_differences, record_differences
from flows.stages.lifecycle import approve, hold, releases, stored
from flows.stages.release import shown_before
from flows.stages.repeat import changes_since, repeat_release
from schemas.contract import TABLES


def statuses(warehouse):
    return {line.release_id: line.status for line in releases(warehouse.con)}


def test_a_draft_is_not_shown_until_it_is_approved(after):
    warehouse = after(drafted_60)
    made = stored(warehouse.con, 1)
    assert made.status == "draft"
    assert shown_before(warehouse.con) == {}
    assert said_yes(warehouse, made)
    assert shown_before(warehouse.con)["condition=ms"].cell_count == 60
    assert statuses(warehouse) == {1: "approved"}


def test_what_is_approved_is_the_frame_that_was_drafted(after):
    """Whatever marts say by now: here there are none any more."""
    warehouse = after(drafted_60)
    made = stored(warehouse.con, 1)
    warehouse.con.execute("DROP SCHEMA marts CASCADE")
    said_yes(warehouse, made)
    assert stored(warehouse.con, 1).frame == made.frame
    assert stored(warehouse.con, 1).status == "approved"
    assert counts(stored(warehouse.con, 1))["condition=ms"] == (60, 1)


def test_a_rejected_draft_counts_for_nothing(after):
    """200 published; a draft of 180 is held; 8 more leave. Beside the draft these are few, beside what readers have they are not."""
    warehouse = after(held_180)
    assert counts(stored(warehouse.con, 2))["condition=ms"] == (180, 2)
    assert shown_before(warehouse.con)["condition=ms"].cell_count == 200
    erase(warehouse, *(f"p{n}" for n in range(20, 28)))
    third = drafted(warehouse, 3)
    assert third.compared_with == 1
    assert counts(third)["condition=ms"] == (172, 3)


def test_few_who_left_are_held_beside_what_was_published_whatever_drafts_said(after):
    """200 published, a draft of 180 held, and 16 of the 20 come back: 4 are missing of what readers have."""
    warehouse = after(held_180)
    before = after(published_200).rows("FROM history.patient ORDER BY record_number")
    for n in range(16):
        warehouse.patient(f"p{n}", **{k: before[n][k] for k in ("sex", "ms_course")})
    third = drafted(warehouse, 3)
    assert counts(third)["condition=ms"] == (200, 1), "196 beside 200: it stays as it was shown"


def test_a_draft_that_was_not_compared_with_what_is_published_cannot_be_approved(after):
    warehouse = after(held_60)
    held = stored(warehouse.con, 1)
    said_yes(warehouse, drafted_without_news(warehouse, 2))
    with pytest.raises(UsageError, match="superseded"):
        said_yes(warehouse, held)
    # Whatever its status says: it is the comparison that counts.
    warehouse.con.execute("UPDATE ops.release SET status = 'held' WHERE release_id = 1")
    with pytest.raises(HeldError, match="never compared with release 2"):
        said_yes(warehouse, held)
    assert shown_before(warehouse.con)["condition=ms"].release_id == 2


def test_a_draft_that_counts_somebody_who_was_forgotten_since_cannot_be_approved(after):
    warehouse = after(drafted_60)
    warehouse.ledger("erasure", erasure_id=1, source_system="canonical", tombstone="t", begun_at=AS_OF_AT)
    with pytest.raises(HeldError, match="forgotten"):
        said_yes(warehouse, stored(warehouse.con, 1))


def test_a_later_draft_takes_the_place_of_one_that_waits(after):
    warehouse = after(drafted_60)
    drafted_without_news(warehouse, 2)
    assert statuses(warehouse) == {1: "superseded", 2: "draft"}
    with pytest.raises(UsageError, match="superseded"):
        approve(warehouse.con, 1, "no", AS_OF_AT)
    assert warehouse.rows("SELECT DISTINCT release_id FROM ops.shown_cell") == [{"release_id": 2}]


def test_what_was_held_can_be_approved_after_all(after):
    warehouse = after(held_60)
    assert said_yes(warehouse, stored(warehouse.con, 1))
    (line,) = releases(warehouse.con)
    assert (line.status, line.reason) == ("approved", "looked at")


def test_what_is_published_cannot_be_held_and_is_approved_once(after):
    warehouse = after(published_60)
    made = stored(warehouse.con, 1)
    assert not said_yes(warehouse, made), "again changes nothing"
    with pytest.raises(UsageError, match="cannot be called back"):
        hold(warehouse.con, 1, "oh", AS_OF_AT)
    said_yes(warehouse, drafted_without_news(warehouse, 2))
    with pytest.raises(UsageError, match="release 2 after it"):
        said_yes(warehouse, made)


@pytest.mark.parametrize("decision", [approve, hold])
def test_there_is_no_deciding_on_what_is_not_there(warehouse, decision):
    with pytest.raises(NotFoundError, match="no release 7"):
        decision(warehouse.con, 7, "why", AS_OF_AT)


def test_the_same_report_after_an_approval_is_what_was_approved(after):
    warehouse = after(published_60)
    made = stored(warehouse.con, 1)
    erase(warehouse, "p1")
    again = drafted(warehouse)
    assert (again.release_id, again.status) == (1, "approved")
    assert again.frame == made.frame, "no release on demand after an erasure"


def test_the_same_report_after_a_hold_stays_held(after):
    warehouse = after(held_60)
    with pytest.raises(HeldError, match="a source is missing"):
        drafted_without_news(warehouse, 1)
    assert drafted_without_news(warehouse, 2).release_id == 2


def test_a_stored_release_is_whole(after):
    warehouse = after(drafted_60)
    found = stored(warehouse.con, 1)
    assert found == drafted_without_news(warehouse, 1), "the same report asked again"
    assert (found.window_to_on, found.sources[0].consent_basis) == (AS_OF_AT.date(), "terms")
    assert set(found.fingerprints) == {"marts", "contracts", "code lists", "program"}


# What is repeated


def repeated(warehouse, release_id=1):
    return repeat_release(warehouse.con, release_id)


def test_releases_are_repeated_exactly_after_more_has_come(after):
    """What is held beside an earlier release depends on what was shown by then, not on what is shown today."""
    warehouse = after(published_200)
    join(warehouse, *(f"new{n}" for n in range(4)))
    second = drafted(warehouse, 2, AS_OF_AT + timedelta(days=20))
    assert counts(second)["condition=ms"] == (200, 1)
    said_yes(warehouse, second)
    join(warehouse, *(f"later{n}" for n in range(40)), batch=3)
    third = drafted(warehouse, 3, AS_OF_AT + timedelta(days=40))
    assert counts(third)["condition=ms"] == (244, 3)
    said_yes(warehouse, third)
    for release_id in (1, 2):
        found = repeated(warehouse, release_id)
        assert (found.is_exact, found.reasons, found.differing) == (True, [], {})


def test_who_was_forgotten_makes_a_release_unrepeatable_and_it_says_so(after):
    warehouse = after(published_60)
    erase(warehouse, "p1", "p2")
    for number in (1, 2):
        warehouse.ledger(
            "erasure", erasure_id=number, source_system="canonical", tombstone=f"t{number}", begun_at=AS_OF_AT
        )
    found = repeated(warehouse)
    assert not found.is_exact
    assert found.differing["membership"] > 0
    assert found.reasons == ["2 people were forgotten since"]


def test_what_else_has_changed_is_named_by_its_part(after):
    warehouse = after(published_60)
    erase(warehouse, "p1")
    old = stored(warehouse.con, 1)
    for part in old.fingerprints:
        reasons = changes_since(warehouse.con, replace(old, fingerprints=old.fingerprints | {part: "other"}))
        assert reasons == [f"changed since: {part}"]
    warehouse.con.execute(
        "UPDATE ops.release SET fingerprints = list_transform(fingerprints, "
        "lambda f: {'part': f.part, 'mark': CASE WHEN f.part = 'code lists' THEN 'other' ELSE f.mark END})"
    )
    assert repeated(warehouse).reasons == ["changed since: code lists"]


def test_what_changed_without_effect_is_repeated_exactly(after):
    warehouse = after(published_60)
    warehouse.ledger("erasure", erasure_id=1, source_system="canonical", tombstone="t", begun_at=AS_OF_AT)
    assert repeated(warehouse).is_exact, "who was forgotten was in no figure"


def test_a_figure_that_differs_for_no_known_reason_is_not_explained_away(after):
    warehouse = after(published_60)
    # Its count and its share.
    warehouse.con.execute("UPDATE ops.release_cell SET value = value + 1 WHERE cell_key = 'condition=ms'")
    found = repeated(warehouse)
    assert (found.differing, found.reasons) == ({"membership": 2}, [])


# Why two releases differ


def record_changes(warehouse, before=AsOf(1, AS_OF_AT), after=AsOf(2, AS_OF_AT + timedelta(days=30))):
    found = record_differences(warehouse.con, before, after)
    return {r.table_name: (r.new_count, r.late_count, r.corrected_count, r.withdrawn_count) for r in found}


def test_records_differ_by_cause(warehouse):
    day = AS_OF_AT.date()
    for name in ("a", "b", "c"):
        warehouse.patient(name)
        warehouse.add("symptom_report", name, symptom_code="pain", severity=1, reported_on=day, record=f"{name}1")
    report = {"symptom_code": "pain", "severity": 2}
    warehouse.add("symptom_report", "a", reported_on=day + timedelta(days=9), admitted_in=2, **report)
    warehouse.add("symptom_report", "a", reported_on=day - timedelta(days=9), admitted_in=2, **report)
    warehouse.add("symptom_report", "a", reported_on=day, admitted_in=2, **report)
    # Of a1 a newer version comes, b1 is deleted, c ends the consent.
    for old in ("a1", "b1"):
        warehouse.con.execute(
            "UPDATE history.symptom_report SET superseded_in = 2 WHERE record_id = $id",
            {"id": record_id("symptom_report", old)},
        )
    warehouse.add("symptom_report", "a", reported_on=day, admitted_in=2, record="a1", **report)
    warehouse.add("symptom_report", "b", reported_on=day, admitted_in=2, record="b1", is_deleted=True, **report)
    warehouse.add(
        "consent", "c", scope="aggregate_release", status="withdrawn", effective_at=AS_OF_AT + timedelta(days=2), admitted_in=2
    )  # fmt: skip
    found = record_changes(warehouse)
    assert found["symptom_report"] == (1, 2, 1, 2)
    assert found["patient"] == (0, 0, 0, 1)
    assert found["fall_report"] == (0, 0, 0, 0)


def record_id(table, record):
    from warehouse_records import as_uuid

    return str(as_uuid(f"{table} {record}"))


def test_every_table_but_consents_is_compared():
    assert set(DAY_OF) == set(TABLES) - {"consent"}


def row(key, value, state="shown", **said):
    return {
        "topic": "t", "table_id": "t", "cell_key": key, "statistic": "count", "state": state, "n_patients": value, "denominator": None,
        "value": value, "low": None, "high": None, "as_of_batch": 2, "as_of_at": AS_OF_AT,
    } | said  # fmt: skip


def test_figures_differ_by_what_became_of_them():
    before = [
        row("same", 20),
        row("other", 20),
        row("gone", 20),
        row("hides", 20),
        row("opens", None, "suppressed"),
        row("kept", 50),
    ]
    after = [
        row("same", 20), row("other", 40), row("fresh", 30), row("hides", None, "suppressed"), row("opens", 20),
        row("kept", 50, as_of_batch=1),
    ]  # fmt: skip
    (found,) = figure_differences(before, after)
    assert found.__dict__ == {
        "topic": "t", "table_id": "t", "unchanged": 1, "changed": 1, "new": 1, "gone": 1, "newly_suppressed": 1, "newly_shown": 1,
        "shown_as_before": 1,
    }  # fmt: skip
