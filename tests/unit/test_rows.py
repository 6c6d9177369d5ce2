"""How a delivered text becomes a typed value, and what is said of one that does not."""

import re
from datetime import UTC, date, datetime

import pytest
from canonical import CANONICAL, NOW, canonical_with, prepare, quarantined, record, spooled, write_csv

from schemas.contract import contracts


@pytest.fixture
def judge(workspace):
    """Prepare records of one table; gives the rows that no rule refuses, and (number, rule, action) of the faults."""

    def run(table: str, *said: dict[str, str], source=CANONICAL, now=NOW):
        rows = [record(table, str(n), **row) for n, row in enumerate(said, start=1)]
        path = write_csv(workspace.root.parent / f"{table}.csv", rows, delimiter=source.delimiter)
        candidate = prepare(workspace, path, source, now)
        kept = quarantined(workspace, candidate)
        return spooled(candidate, table), [(row["record_number"], row["rule"], row["action"]) for row in kept]

    return run


def values(judge, table: str, column: str, *texts: str, **source) -> list:
    """What the column of each text is read as; None where it is not read."""
    rows, _ = judge(table, *({column: text} for text in texts), source=canonical_with(**source))
    found = {row["record_number"]: row[column] for row in rows}
    return [found.get(number) for number in range(1, len(texts) + 1)]


def test_whole_numbers_are_never_rounded_and_never_guessed(judge):
    texts = ["3", "+3", " 3 ", "3.0", "3.", "3.7", "1_000", "0x10", "3e2", "1,000", "three", "99999999999999999999"]
    assert values(judge, "fall_report", "near_fall_count", *texts) == [
        3,
        3,
        3,
        3,
        3,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
    ]


def test_numbers_are_finite(judge):
    texts = ["1.5", "-.5", "1e3", "nan", "inf", "1e400", "9" * 400, "-0", "1,5", "1 000"]
    assert values(judge, "outcome_assessment", "source_score", *texts) == [
        1.5,
        -0.5,
        1000.0,
        None,
        None,
        None,
        None,
        0.0,
        None,
        None,
    ]


def test_minus_zero_is_zero(judge):
    rows, _ = judge("outcome_assessment", *({"source_patient_id": "p", "source_score": text} for text in ("-0", "0")))
    assert rows[0]["row_hash"] == rows[1]["row_hash"]


def test_a_decimal_comma_reads_points_only_where_thousands_end(judge):
    texts = ["1,5", "1.500", "1.234.567,25", "12", "1.5", "1.50", "1,2,3"]
    found = values(judge, "outcome_assessment", "source_score", *texts, decimal=",", delimiter=";")
    assert found == [1.5, 1500.0, 1234567.25, 12.0, None, None, None]


def test_whole_numbers_with_a_decimal_comma(judge):
    assert values(judge, "fall_report", "fall_count", "3,0", "2", "3,5", decimal=",", delimiter=";") == [3, 2, None]


def test_truths_are_words_not_numbers(judge):
    texts = ["true", "T", "Yes", "1", "false", "n", "0", "2", "maybe", "1.0"]
    assert values(judge, "relapse", "is_steroid_treated", *texts) == [
        True,
        True,
        True,
        True,
        False,
        False,
        False,
        None,
        None,
        None,
    ]


def test_dates_exist_and_are_in_the_stated_format(judge):
    texts = ["2025-01-31", "2025-02-29", "31/01/2025", "2025-01-31 x", "2024-02-29", "1899-12-31", "2026-01-02"]
    assert values(judge, "symptom_report", "reported_on", *texts) == [
        date(2025, 1, 31),
        None,
        None,
        None,
        date(2024, 2, 29),
        None,
        None,
    ]


def test_the_same_text_is_another_date_where_the_source_says_so(judge):
    assert values(judge, "symptom_report", "reported_on", "03/04/2025", date_formats=("%d/%m/%Y",)) == [
        date(2025, 4, 3)
    ]
    assert values(judge, "symptom_report", "reported_on", "03/04/2025", date_formats=("%m/%d/%Y",)) == [
        date(2025, 3, 4)
    ]


def test_today_is_the_day_in_the_source_s_time_zone(judge):
    late = datetime(2026, 1, 1, 12, tzinfo=UTC)
    there = canonical_with(time_zone="Pacific/Kiritimati")  # 14 hours ahead
    assert judge("symptom_report", {"reported_on": "2026-01-02"}, source=there, now=late)[1] == []
    assert judge("symptom_report", {"reported_on": "2026-01-03"}, source=there, now=late)[1] == [
        (1, "reported_on_in_future", "refuse")
    ]


def test_an_instant_without_a_zone_is_in_the_source_s(judge):
    texts = ["2025-01-15 08:30:00", "2025-01-15T08:30:00Z", "2025-01-15T08:30:00.5+05:30", "2025-01-15 x", "08:30"]
    found = values(judge, "outcome_assessment", "assessed_at", *texts, time_zone="America/New_York")
    assert found == [
        datetime(2025, 1, 15, 13, 30, tzinfo=UTC), datetime(2025, 1, 15, 8, 30, tzinfo=UTC), datetime(2025, 1, 15, 3, 0, 0, 500_000, tzinfo=UTC), None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "stated", "expected"),
    [
        ("2019-03-05", "", (date(2019, 3, 5), "day")),
        ("2019-03", "", (date(2019, 3, 1), "month")),
        ("2019", "", (date(2019, 1, 1), "year")),
        ("", "", (None, "unknown")),
        ("2019-03-05", "month", (date(2019, 3, 1), "month")),
        ("2019-03-05", "year", (date(2019, 1, 1), "year")),
        ("2019", "day", (date(2019, 1, 1), "year")),
        ("2019-03", "year", (date(2019, 1, 1), "year")),
    ],
)
def test_of_a_partial_date_the_known_part_is_kept_and_its_precision(judge, text, stated, expected):
    (row,), _ = judge("relapse", {"started_on": text, "started_on_precision": stated})
    assert (row["started_on"], row["started_on_precision"]) == expected


def test_a_word_that_is_no_precision_is_refused(judge):
    assert judge("relapse", {"started_on": "2019-03-05", "started_on_precision": "about"})[1] == [
        (1, "started_on_precision_unknown_value", "refuse")
    ]


def test_a_stop_known_by_its_year_does_not_lie_before_a_start_in_that_year(judge):
    stopped = [{"started_on": "2019-03-05", "stopped_on": text} for text in ("2019", "2019-03", "2019-02", "2018")]
    assert judge("treatment_episode", *stopped)[1] == [
        (3, "stopped_before_start", "refuse"),
        (4, "stopped_before_start", "refuse"),
    ]


def test_a_blanked_date_is_of_unknown_precision(judge):
    (row,), faults = judge("patient", {"last_relapse_on": "2030-01-01"})
    assert faults == [(1, "last_relapse_on_in_future", "blank")]
    assert (row["last_relapse_on"], row["last_relapse_on_precision"]) == (None, "unknown")


def test_closed_words_are_found_however_they_are_written(judge):
    texts = ["moderate", "Moderate", " MODERATE ", "2", "2.0", "4", "bad"]
    assert values(judge, "symptom_report", "severity", *texts) == [2, 2, 2, 2, 2, None, None]


def test_none_is_a_severity_and_not_a_missing_value(judge):
    assert values(judge, "symptom_report", "severity", "none") == [0]


def test_an_unknown_open_word_is_kept_with_its_source(judge):
    texts = ["Muscle weakness", "Brain zaps!", "x" * 160]
    assert values(judge, "symptom_report", "symptom_code", *texts) == [
        "muscle_weakness",
        "canonical:brain_zaps",
        "canonical:" + "x" * 160,
    ]


def test_a_text_where_a_word_is_asked_for_is_refused(judge):
    texts = [
        "???",
        "x" * 161,
        "since my neighbour Ann Miller moved away I feel tired in the mornings, mostly, though on Sundays it is better and I can walk as far as the church and back again without my stick",
    ]
    rows, faults = judge("symptom_report", *({"symptom_code": text} for text in texts))
    assert rows == []
    assert faults == [(n, "symptom_code_no_code", "refuse") for n in (1, 2, 3)]


def test_a_month_is_read_where_the_source_says_how_it_is_written(judge):
    texts = [{"started_on": text} for text in ("Mar 2019", "45672", "2019-03-05")]
    rows, faults = judge("relapse", *texts)
    assert faults == [(1, "started_on_unreadable", "refuse"), (2, "started_on_unreadable", "refuse")]
    (row, _), faults = judge("relapse", *texts, source=canonical_with(date_formats=("%Y-%m-%d", "%b %Y")))
    assert (row["started_on"], row["started_on_precision"]) == (date(2019, 3, 1), "month")
    # A spreadsheet's count of days is never guessed to be a date.
    assert faults == [(2, "started_on_unreadable", "refuse")]


def test_one_unknown_word_in_a_closed_list_is_enough(judge):
    assert judge("weekly_activity", {"inactivity_reasons": "pain|boredom"})[1] == [
        (1, "inactivity_reasons_unknown_value", "refuse")
    ]
    assert values(judge, "weekly_activity", "inactivity_reasons", "Fear of falling|pain") == [
        ["fear_of_falling", "pain"]
    ]


def test_skipped_items_stay_in_their_place(judge):
    assert values(judge, "outcome_assessment", "item_responses", "1||3", "|2", "1|x", "1|101") == [
        [1, None, 3],
        [None, 2],
        None,
        None,
    ]


def test_missing_tokens_are_no_text(judge):
    texts = ["N/A", "-", "", "  ", "\xa0", "v2"]
    assert values(judge, "outcome_assessment", "instrument_version", *texts) == [None, None, None, None, None, "v2"]


def test_a_tombstone_needs_only_its_id(judge):
    rows, faults = judge(
        "symptom_report", {"is_deleted": "yes", "source_patient_id": "", "severity": "99", "reported_on": "never"}
    )
    assert faults == []
    assert [(row["is_deleted"], row["patient_id"], row["severity"]) for row in rows] == [(True, None, None)]
    assert judge("symptom_report", {"is_deleted": "yes", "source_record_id": ""})[1] == [
        (1, "source_record_id_missing", "refuse")
    ]


def test_no_text_column_takes_free_text():
    """What is no code has a form, so that nobody's words come into the warehouse, nor a separator into the text of a hash."""
    free = [
        column
        for agreed in contracts()
        for column in agreed.columns
        if column.sql_type == "VARCHAR" and not column.allowed and not column.code_list
    ]
    assert free
    assert [c.name for c in free if c.pattern is None] == []
    assert [c.name for c in free for text in ("a|b", "two words", "=1") if re.fullmatch(c.pattern, text)] == []


@pytest.mark.parametrize("text", ["a|b", "a\\/b", "feels tired since May"])
def test_a_version_that_is_none_is_refused(judge, text):
    _, faults = judge("outcome_assessment", {"source_patient_id": "p", "instrument_version": text})
    assert [rule for _, rule, _ in faults] == ["instrument_version_malformed"]


def test_one_column_of_several_that_are_broken_gives_one_fault_each(judge):
    _, faults = judge("symptom_report", {"severity": "9", "reported_on": "never", "body_region": "tail"})
    assert {rule for _, rule, _ in faults} == {
        "severity_unknown_value",
        "reported_on_unreadable",
        "body_region_unknown_value",
    }
