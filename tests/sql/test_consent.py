"""Who may be counted at an instant: a patient's events of the scope `aggregate_release`, in whatever order they arrive."""

import itertools
from datetime import UTC, datetime, timedelta

import modes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warehouse_records import Warehouse, as_uuid

SCOPES = ("aggregate_release", "research", "platform", "recontact")
STATUSES = ("granted", "withdrawn", "expired")
DAY = datetime(2025, 1, 1, tzinfo=UTC)


def who_consented(warehouse, at):
    """The ids of patients, by the view that marts read."""
    warehouse.con.execute("SET VARIABLE as_of_at = $at", {"at": at})
    state = "SELECT patient_id FROM core.consent_state WHERE is_consented ORDER BY ALL"
    rows = warehouse.con.execute(state).fetchall()
    assert rows == warehouse.con.execute("SELECT patient_id FROM core.consented_patient ORDER BY ALL").fetchall()
    return [str(patient_id) for (patient_id,) in rows]


def consented(warehouse, at):
    return who_consented(warehouse, at) == [as_uuid("p1")]


def is_consented(events, at):
    """The rule in plain words: the latest event that has begun decides; a withdrawal begins with its day and wins a tie."""
    ours = [(status, when) for scope, status, when in events if scope == "aggregate_release"]
    begun = [
        (when, status != "granted")
        for status, when in ours
        if (when if status == "granted" else when.replace(hour=0, minute=0, second=0, microsecond=0)) <= at
    ]
    return bool(begun) and not max(begun)[1]


def given_events(warehouse, events, source="canonical", name="p1"):
    warehouse.patient(name, consented=False, source=source)
    for scope, status, when in events:
        warehouse.add("consent", name, source, scope=scope, status=status, effective_at=when)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_granted_withdrawn_and_granted_again_in_every_order_of_arrival(warehouse, order):
    events = [
        ("aggregate_release", "granted", datetime(2025, 1, 1, tzinfo=UTC)),
        ("aggregate_release", "withdrawn", datetime(2025, 3, 15, tzinfo=UTC)),
        ("aggregate_release", "granted", datetime(2025, 5, 1, tzinfo=UTC)),
    ]
    given_events(warehouse, [events[i] for i in order])
    answers = {
        at: consented(warehouse, datetime.fromisoformat(at).replace(tzinfo=UTC))
        for at in ("2024-12-31", "2025-01-01", "2025-03-14", "2025-03-15", "2025-04-01", "2025-05-01", "2025-05-02")
    }
    assert answers == {
        "2024-12-31": False,
        "2025-01-01": True,
        "2025-03-14": True,
        "2025-03-15": False,
        "2025-04-01": False,
        "2025-05-01": True,
        "2025-05-02": True,
    }


events = st.lists(
    st.tuples(
        st.sampled_from(("aggregate_release", "aggregate_release", *SCOPES)),
        st.sampled_from(STATUSES),
        st.integers(0, 7).map(lambda quarters: DAY + timedelta(hours=6 * quarters)),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def crowd(new_warehouse):
    """One warehouse for all examples: to make one takes as long as to ask it forty times."""
    with new_warehouse() as con:
        yield Warehouse(con)


@modes.examples(6, 60)
@given(crowd_events=st.lists(events, min_size=8, max_size=30))
def test_consent_follows_the_rule_whatever_order_events_come_in(crowd, crowd_events):
    """Of several patients at a time, each with events of their own in the order in which they were drawn."""
    for table in ("patient", "consent"):
        crowd.con.execute(f"DELETE FROM history.{table}")
    for number, of_one in enumerate(crowd_events):
        given_events(crowd, of_one, name=f"p{number}")
    for quarters in range(-1, 9):
        at = DAY + timedelta(hours=6 * quarters)
        expected = [as_uuid(f"p{number}") for number, of_one in enumerate(crowd_events) if is_consented(of_one, at)]
        assert who_consented(crowd, at) == sorted(expected), at


def test_without_an_event_only_the_basis_of_a_source_speaks_for_a_patient(warehouse):
    given_events(warehouse, [], source="plain")
    assert not consented(warehouse, DAY)
    warehouse.ledger("source", source_system="plain", description="A source", fingerprint="f", consent_basis="stated")
    assert consented(warehouse, DAY)
    warehouse.add("consent", "p1", "plain", scope="aggregate_release", status="withdrawn", effective_at=DAY)
    assert not consented(warehouse, DAY)
    assert consented(warehouse, DAY - timedelta(hours=1))


def test_the_day_of_a_withdrawal_is_the_day_in_utc_wherever_an_analyst_sits(warehouse):
    granted, withdrawn = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 3, 15, 9, tzinfo=UTC)
    given_events(warehouse, [("aggregate_release", "granted", granted), ("aggregate_release", "withdrawn", withdrawn)])
    warehouse.con.execute("SET TimeZone = 'America/Los_Angeles'")
    assert consented(warehouse, datetime(2025, 3, 14, 23, tzinfo=UTC))
    assert not consented(warehouse, datetime(2025, 3, 15, 1, tzinfo=UTC))
