"""How a change of a score reads on the visit sheet: golden cases, measurement error first."""

from datetime import date, timedelta
from fractions import Fraction

import pytest

from flows.visit.period import Period
from flows.visit.scores import ScorePoint, read_change, score_lines, unscored_count
from schemas.instruments import instrument

PERIOD = Period.up_to(date(2025, 9, 30))
YEAR_AGO, NOW = date(2024, 10, 1), date(2025, 9, 20)


def change(code, then, now, scale=None):
    known = instrument(code)
    chosen = known.scales[scale or known.source_scale]
    return read_change(ScorePoint(YEAR_AGO, Fraction(then)), ScorePoint(NOW, Fraction(now)), known, chosen)


def row(code, on, answers=None, version="v1", score=None, is_proxy=False):
    return {
        "instrument_code": code,
        "instrument_version": version,
        "is_proxy": is_proxy,
        "assessed_on": on,
        "item_responses": answers,
        "source_score": score,
    }


def line_of(*rows, relapses=()):
    (line,) = score_lines(rows, PERIOD, relapses)
    return line


@pytest.mark.parametrize(
    ("code", "then", "now", "reading", "direction", "is_mid_reached"),
    [
        # FSS: MDC 1.9, MID 0.45
        ("fss", "3", "3.44", "within error", "worse", False),
        ("fss", "3", "3.45", "within error", "worse", True),
        ("fss", "3", "4.89", "within error", "worse", True),
        ("fss", "3", "4.9", "beyond error", "worse", True),
        ("fss", "4.9", "3", "beyond error", "better", True),
        ("fss", "3", "3", "no change", "none", False),
        # MFIS: MDC 20.2, MID 4: most who pass the MID are within noise
        ("mfis", "40", "44", "within error", "worse", True),
        ("mfis", "40", "60", "within error", "worse", True),
        ("mfis", "40", "60.2", "beyond error", "worse", True),
        ("mfis", "60.2", "40", "beyond error", "better", True),
        # MSWS-12: no MDC known, MID 8; raw +4 is +8.33, raw +3 is +6.25
        ("msws_12", "45.83", "54.16", "error not known", "worse", True),
        ("msws_12", "50", "56.25", "error not known", "worse", False),
        ("msws_12", "50", "58", "error not known", "worse", True),
        ("msws_12", "50", "42.1", "error not known", "better", False),
        # T25FW: 20% of one's own time, in hundredths; both ties go wrong in floating point
        ("t25fw", "2.0", "2.4", "error not known", "worse", True),
        ("t25fw", "10.3", "12.36", "error not known", "worse", True),
        ("t25fw", "6.0", "7.19", "error not known", "worse", False),
        ("t25fw", "6.0", "7.196", "error not known", "worse", True),
        ("t25fw", "6.0", "7.194", "error not known", "worse", False),
        ("t25fw", "6.0", "4.8", "error not known", "better", True),
        # higher is better
        ("eq_vas", "50", "60", "error not known", "better", None),
        # which end is good is not known
        ("mood", "2", "4", "error not known", "higher", None),
    ],
)
def test_a_change_is_read_against_its_error_first(code, then, now, reading, direction, is_mid_reached):
    found = change(code, then, now)
    assert (found.reading, found.direction, found.is_mid_reached) == (reading, direction, is_mid_reached)


@pytest.mark.parametrize(
    ("code", "then", "now", "sentence"),
    [
        ("fss", "3", "4.5", "within measurement error (MDC 1.9); reaches MID (0.45, borrowed)"),
        ("fss", "3", "5", "worse, beyond measurement error (MDC 1.9); reaches MID (0.45, borrowed)"),
        ("msws_12", "50", "56.25", "below MID (8, borrowed); measurement error (MDC) not known"),
        ("msws_12", "50", "40", "better, reaches MID (8); measurement error (MDC) not known"),
        ("t25fw", "6.0", "7.2", "worse, reaches MID (20%); measurement error (MDC) not known"),
        ("msrs_r", "10", "14", "no MID known; measurement error (MDC) not known"),
    ],
)
def test_the_sentence_says_error_and_mid_and_what_is_borrowed(code, then, now, sentence):
    assert change(code, then, now).sentence == sentence


def test_a_change_within_error_is_never_called_worse_or_better():
    for now in range(21):
        sentence = change("mfis", 40, 40 + now).sentence
        assert "worse" not in sentence
        assert "better" not in sentence


def test_a_rounded_change_does_not_seem_to_reach_what_it_does_not_reach():
    assert change("msws_12", "50", "57.96").text == "+7.96"
    assert change("fss", "3", "4.899").text == "+1.899"
    assert change("msws_12", "50", "58.3333").text == "+8.3"
    assert change("msws_12", "58.3333", "50").text == "\u22128.3"


def test_a_score_is_our_own_rule_s_where_there_are_answers():
    line = line_of(row("msws_12", NOW, [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2], score=45.83))
    assert line.now.value == Fraction(2200, 48)
    assert line.notes == ()


def test_where_the_source_scores_otherwise_that_is_said():
    line = line_of(row("msws_12", NOW, [5] * 12, score=12.5))
    assert (line.now.value, line.notes) == (100, ("the source scores it otherwise",))


def test_items_left_out_are_said():
    line = line_of(row("msws_12", NOW, [5] * 11 + [None], score=None))
    assert (line.now.value, line.notes) == (100, ("items left out",))


def test_without_answers_the_source_s_score_stands_with_a_note():
    line = line_of(row("fss", NOW, None, score=4.25))
    assert (line.now.value, line.notes) == (Fraction("4.25"), ("as the source scores it",))
    # Where there is no other way to have it, there is nothing to note.
    assert line_of(row("t25fw", NOW, None, version=None, score=6.5)).notes == ()


def test_too_few_answers_and_no_score_are_counted():
    rows = [row("fss", NOW, [1] * 8 + [None]), row("fss", YEAR_AGO - timedelta(1), [1] * 8 + [None])]
    assert score_lines(rows, PERIOD) == []
    assert unscored_count(rows, PERIOD) == 1


def test_a_bare_score_of_an_instrument_with_two_scales_cannot_be_placed():
    rows = [row("msis_29", NOW, None, version="v2", score=40.0)]
    assert score_lines(rows, PERIOD) == []
    assert unscored_count(rows, PERIOD) == 1


def test_versions_and_answers_of_a_proxy_are_never_mixed():
    rows = [
        row("msws_12", YEAR_AGO, [1] * 12),
        row("msws_12", YEAR_AGO, [1] * 12, is_proxy=True),
        row("msws_12", NOW, [1] * 12, version="v2"),
        row("msws_12", NOW, [5] * 12, is_proxy=True),
    ]
    rows.sort(key=lambda r: (r["instrument_version"], r["is_proxy"]))
    found = {(line.version, line.is_proxy): line.change and line.change.value for line in score_lines(rows, PERIOD)}
    assert found == {("v1", False): None, ("v2", False): None, ("v1", True): 100}


def test_a_score_of_an_instrument_no_list_knows_is_shown_bare():
    line = line_of(row("acme:walk_fast", YEAR_AGO, None, None, 3.5), row("acme:walk_fast", NOW, None, None, 4.5))
    assert (line.label, line.change.direction) == ("walk fast*", "higher")
    assert line.change.sentence == "no MID known; measurement error (MDC) not known"


def steps(*pairs, relapses=()):
    """PDDS a year ago, and then (day, step) pairs."""
    rows = [row("pdds", YEAR_AGO, [3])] + [row("pdds", date.fromisoformat(on), [step]) for on, step in pairs]
    return line_of(*rows, relapses=relapses).change


def test_a_rise_of_a_step_counts_once_a_report_90_days_later_holds_it():
    assert steps(("2025-06-22", 4), ("2025-09-20", 4)).reading == "confirmed"
    assert steps(("2025-06-23", 4), ("2025-09-20", 4)).reading == "not confirmed"
    assert steps(("2025-03-01", 4), ("2025-04-01", 3), ("2025-09-20", 4)).reading == "not confirmed"
    assert steps(("2025-03-01", 5), ("2025-09-20", 4)).reading == "confirmed"
    assert steps(("2025-09-20", 3)).reading == "no change"
    assert steps(("2025-09-20", 2)).sentence == "steps down; no MDC or MID known"


def test_reports_in_the_90_days_after_a_relapse_neither_begin_a_rise_nor_confirm_it():
    relapse = {"started_on": date(2025, 5, 1), "started_on_precision": "day"}
    assert steps(("2025-06-01", 4), ("2025-09-20", 4)).reading == "confirmed"
    assert steps(("2025-06-01", 4), ("2025-09-20", 4), relapses=[relapse]).reading == "not confirmed"
    assert steps(("2025-03-01", 4), ("2025-06-01", 4), ("2025-09-20", 4), relapses=[relapse]).reading == "confirmed"
    month = {"started_on": date(2025, 4, 1), "started_on_precision": "month"}
    # Thirty days more: within April nobody knows when.
    assert steps(("2025-07-20", 4), ("2025-09-20", 4), relapses=[month]).reading == "not confirmed"
