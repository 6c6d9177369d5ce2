"""The visit sheet's rules: what is compared with what, dates known in part, falls, questions, and the page's own defences."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from flows.pages.visit import severity_boxes, to_html, treatment_boxes, treatment_dates
from flows.pages.visit_fitting import MOST, Room, Wording, breadth, fit, fits, lines
from flows.visit.life import activity, falls
from flows.visit.period import Period, then_and_now
from flows.visit.questions import Question, questions
from flows.visit.records import Records
from flows.visit.sheet import make_sheet
from flows.visit.symptoms import symptom_lines, weakness_view
from flows.visit.treatments import treatment_lines

PERIOD = Period.up_to(date(2025, 9, 30))
MADE_AT = datetime(2025, 10, 1, tzinfo=UTC)


def day(text):
    return date.fromisoformat(text)


def report(on, severity, code="fatigue", region="unknown", first_on=None, **said):
    return {
        "symptom_code": code,
        "body_region": region,
        "reported_on": day(on),
        "severity": severity,
        "sides": [],
        "causes": [],
        "is_worse_with_heat": None,
        "is_worse_after_exertion": None,
        "first_on": day(first_on or on),
        **said,
    }


def span(code="baclofen", **said):
    start, stop = said.pop("start", "2025-01-01"), said.pop("stop", None)
    return {
        "treatment_code": code,
        "category": "medication",
        "started_on": day(start) if start else None,
        "started_on_precision": "day" if start else "unknown",
        "stopped_on": day(stop) if stop else None,
        "stopped_on_precision": "day" if stop else "unknown",
        "status": "stopped" if stop else "current",
        "last_confirmed_on": None if stop else day("2025-09-20"),
        "dose_amount": None,
        "dose_unit": None,
        "dose_period": None,
        "sessions_per_week": None,
        "minutes_per_session": None,
        "purpose_codes": [],
        "stop_reasons": [],
        **said,
    }


def fall(start, end, count, injurious=None, near=None):
    return {
        "period_started_on": day(start),
        "period_ended_on": day(end),
        "fall_count": count,
        "injurious_fall_count": injurious,
        "near_fall_count": near,
    }


def records(**said):
    source = SimpleNamespace(description="A test")
    patient = dict.fromkeys(
        (
            "birth_year",
            "sex",
            "ms_course",
            "nrspms",
            "symptom_onset_year",
            "diagnosis_year",
            "diagnosis_source",
            "ambulation",
        )
    )
    lists = ("symptom_days", "assessments", "episodes", "evaluations", "falls", "weeks", "limitations", "relapses")
    return Records(
        source=source,
        period=PERIOD,
        batch_id=7,
        committed_at=None,
        last_on=None,
        patient=said.pop("patient", patient),
        **{name: said.get(name, []) for name in lists},
    )


def sheet(**said):
    return make_sheet(records(**said), name=None, made_at=MADE_AT)


def asked(**said):
    return [question.text for question in sheet(**said).questions]


def test_twelve_months_end_with_the_day_and_hold_each_day_once():
    assert (PERIOD.start, PERIOD.end, PERIOD.day_count) == (day("2024-10-01"), day("2025-09-30"), 365)
    assert Period.up_to(day("2024-02-29")).start == day("2023-03-01")
    assert PERIOD.before == Period(day("2023-10-01"), day("2024-09-30"))


@pytest.mark.parametrize(
    ("days", "then", "now"),
    [
        (["2024-09-20", "2024-10-15", "2025-09-01"], "2024-09-20", "2025-09-01"),
        # of two as near the earlier
        (["2024-09-26", "2024-10-06", "2025-09-01"], "2024-09-26", "2025-09-01"),
        # 90 days away is near enough, 91 is not
        (["2024-07-03", "2025-09-01"], "2024-07-03", "2025-09-01"),
        (["2024-07-02", "2025-09-01"], None, "2025-09-01"),
        # 180 days apart is far enough, 179 is not
        (["2024-12-01", "2025-05-30"], "2024-12-01", "2025-05-30"),
        (["2024-12-01", "2025-05-29"], None, "2025-05-29"),
        # the latest must lie in the twelve months
        (["2024-09-20"], None, None),
        (["2024-10-05"], None, "2024-10-05"),
    ],
)
def test_about_a_year_ago_is_the_nearest_report_that_is_near_and_apart(days, then, now):
    found = then_and_now([SimpleNamespace(on=day(d)) for d in days], PERIOD)
    assert [f and str(f.on) for f in found] == [then, now]


def test_a_symptom_stands_by_its_worst_part_and_weakness_by_each_part():
    lines_found = symptom_lines(
        [
            report("2025-09-01", 1, region="legs"),
            report("2025-09-01", 3, region="torso"),
            report("2025-09-01", 2, "muscle_weakness", "face"),
            report("2025-09-01", 1, "muscle_weakness", "legs"),
            report("2025-09-01", 3, "pain"),
            report("2025-09-01", 3, "acme:odd_word"),
        ],
        PERIOD,
    )
    assert [(line.label, line.now.level) for line in lines_found] == [
        ("Weakness: legs", 1),
        ("Weakness: face", 2),
        ("Fatigue", 3),
        ("Pain", 3),
        ("odd word*", 3),
    ]


def test_new_is_what_was_never_reported_before_by_who_reported_before():
    before = report("2024-09-01", 1, "pain")
    new = report("2025-06-01", 2)
    assert [line.is_new for line in symptom_lines([new], PERIOD)] == [False]
    assert [(line.label, line.is_new) for line in symptom_lines([new, before], PERIOD)] == [("Fatigue", True)]
    known = report("2025-06-01", 2, first_on="2020-01-01")
    assert [line.is_new for line in symptom_lines([known, before], PERIOD)] == [False]


def test_no_report_is_a_gap_and_none_is_a_bar():
    (line,) = symptom_lines([report("2025-09-28", 0), report("2025-09-30", 0), report("2025-06-01", 3)], PERIOD)
    boxes = severity_boxes(line, PERIOD)
    assert [box.kind for box in boxes] == ["ramp-3", "ramp-0"]
    assert all(box.height > 0 for box in boxes)
    assert boxes[1].x + boxes[1].width <= PERIOD.day_count


def test_the_member_s_view_of_the_cause_is_the_latest_one_and_days_are_counted_once():
    said = {"causes": ["direct_nerve"], "is_worse_with_heat": True}
    view = weakness_view(
        [
            report("2025-08-01", 2, "muscle_weakness", "legs", **said),
            report("2025-09-01", 2, "muscle_weakness", "legs", causes=["unknown"], is_worse_with_heat=True),
            report("2025-09-01", 2, "muscle_weakness", "face", is_worse_with_heat=False),
        ],
        PERIOD,
    )
    assert (view.cause, view.cause_on, view.heat_count, view.heat_of) == ("nerve damage", day("2025-08-01"), 2, 2)


@pytest.mark.parametrize(
    ("said", "dates"),
    [
        ({"start": "2025-03-01", "started_on_precision": "month"}, "since Mar 2025, confirmed 20 Sep 2025."),
        ({"start": "2024-01-01", "started_on_precision": "year"}, "since 2024, confirmed 20 Sep 2025."),
        ({"start": None}, "start not stated, confirmed 20 Sep 2025."),
        ({"last_confirmed_on": None}, "since 1 Jan 2025, never confirmed."),
        (
            {"stop": "2025-05-01", "stopped_on_precision": "month", "stop_reasons": ["cost"]},
            "1 Jan 2025 to May 2025 (stopped: cost).",
        ),
        ({"status": "stopped"}, "from 1 Jan 2025, stopped, day not stated."),
        ({"status": "unknown"}, "since 1 Jan 2025, whether still used is not stated."),
        ({"stop": "2025-12-01"}, "since 1 Jan 2025, never confirmed."),
    ],
)
def test_dates_are_said_as_exactly_as_they_are_known(said, dates):
    (line,) = treatment_lines([span(**said)], [], PERIOD)
    assert treatment_dates(line) == dates


def test_a_part_of_a_date_is_drawn_as_a_part():
    (line,) = treatment_lines(
        [span(start="2025-03-01", started_on_precision="month", stop="2025-06-01", stopped_on_precision="month")],
        [],
        PERIOD,
    )
    assert [(box.kind, box.x, box.x + box.width) for box in treatment_boxes(line, PERIOD)] == [
        ("maybe", PERIOD.place(day("2025-03-01")), PERIOD.place(day("2025-04-01"))),
        ("sure", PERIOD.place(day("2025-03-31")), PERIOD.place(day("2025-06-02"))),
        ("maybe", PERIOD.place(day("2025-06-01")), PERIOD.place(day("2025-07-01"))),
    ]


def test_what_is_not_confirmed_is_not_drawn_as_sure():
    (line,) = treatment_lines([span(last_confirmed_on=day("2025-02-01"))], [], PERIOD)
    assert [box.kind for box in treatment_boxes(line, PERIOD)] == ["sure", "open"]
    assert line.is_stale


def test_spans_30_days_apart_are_one_course_and_31_are_two():
    def dates(second):
        spans = [span(start="2024-11-01", stop="2025-01-31", dose_amount=10.0, dose_unit="mg", dose_period="day")]
        spans.append(span(start=second, dose_amount=20.0, dose_unit="mg", dose_period="day"))
        (line,) = treatment_lines(spans, [], PERIOD)
        return line

    assert dates("2025-03-02").dates == ("since 1 Nov 2024",)
    assert dates("2025-03-02").dose_changed == "dose changed 2 Mar 2025"
    assert dates("2025-03-03").dates == ("1 Nov 2024 to 31 Jan 2025", "since 3 Mar 2025")


@pytest.mark.parametrize(
    ("said", "is_shown"),
    [
        ({"start": "2020-01-01", "stop": "2024-09-30"}, False),
        ({"start": "2020-01-01", "stop": "2024-10-01"}, True),
        ({"start": "2020-01-01", "stop": "2024-10-01", "stopped_on_precision": "month"}, True),
        ({"start": "2020-01-01", "stop": "2024-09-01", "stopped_on_precision": "month"}, False),
        ({"start": "2020-01-01", "stop": "2024-01-01", "stopped_on_precision": "year"}, True),
        ({"start": "2020-01-01", "status": "stopped", "last_confirmed_on": day("2021-01-01")}, False),
    ],
)
def test_a_treatment_that_ended_before_the_twelve_months_is_not_on_it(said, is_shown):
    assert bool(treatment_lines([span(**said)], [], PERIOD)) == is_shown


def test_falls_of_days_covered_twice_count_once_and_a_year_without_a_report_is_not_zero():
    found = falls([fall("2025-01-01", "2025-01-31", 2, 1, 3), fall("2025-01-20", "2025-02-19", 4)], PERIOD)
    assert (found.now.falls, found.now.day_count, found.overlapping_count, found.then) == (4, 31, 1, None)
    assert (found.now.injurious, found.now.near) == (None, None)
    years = falls([fall("2024-09-01", "2024-09-30", 1), fall("2024-09-15", "2024-10-14", 0)], PERIOD)
    # They share days, so the one that ends later counts.
    assert (years.then, years.now.falls) == (None, 0)
    months = falls([fall("2025-01-01", "2025-02-01", 1), fall("2025-02-01", "2025-03-01", 1)], PERIOD)
    assert (months.now.falls, months.now.day_count, months.overlapping_count) == (2, 60, 0)
    two_days = falls([fall("2025-01-01", "2025-02-02", 1), fall("2025-02-01", "2025-03-01", 1)], PERIOD)
    assert (two_days.now.falls, two_days.overlapping_count) == (1, 1)


def test_activity_is_a_median_of_the_last_90_days_against_those_up_to_a_year_ago():
    def week(on, minutes):
        return {
            "week_starting_on": day(on),
            "active_minutes": minutes,
            "sedentary_hours_per_day": None,
            "inactivity_reasons": ["pain", "fatigue"],
        }

    found = activity(
        [
            week("2024-08-01", 100),
            week("2024-09-30", 300),
            week("2024-10-01", 999),
            week("2025-07-02", 999),
            week("2025-07-03", 50),
            week("2025-09-29", 70),
        ],
        PERIOD,
    )
    assert (found.then, found.then_count, found.now, found.now_count) == (200, 2, 60, 2)
    assert found.reasons == (("fatigue", 4), ("pain", 4))


def year(code="fatigue", then=0, now=2, **said):
    return [report("2024-10-05", then, code, **said), report("2025-09-05", now, code, **said)]


def test_questions_follow_from_the_records_by_their_rules():
    assert asked(falls=[fall("2025-01-01", "2025-01-31", 1)]) == []
    assert asked(falls=[fall("2025-01-01", "2025-01-31", 2)])[0].startswith("2 falls reported.")
    assert asked(falls=[fall("2025-01-01", "2025-01-31", 1, 1)])[0].startswith("1 fall reported, 1 with an injury.")
    assert asked(symptom_days=year(now=1)) == []
    assert asked(symptom_days=year(now=2)) == [
        "Since about a year ago: fatigue (none to moderate). What is different in daily life?"
    ]
    assert asked(symptom_days=year(then=2, now=2)) == []
    assert asked(symptom_days=year(then=3, now=3)) == [
        "Severe now, and no treatment in use is named for it: fatigue. Is it one to talk about today?"
    ]
    assert asked(symptom_days=year(then=3, now=3), episodes=[span(purpose_codes=["fatigue"])]) == []
    stopped = span(stop="2025-05-01", purpose_codes=["fatigue"], stop_reasons=["side_effects", "improved"])
    assert asked(episodes=[stopped]) == [
        "Baclofen was stopped (1 May 2025); reason given: side effects. Was this talked about?"
    ]
    assert asked(episodes=[span(stop="2025-05-01", stop_reasons=["improved"])]) == []
    assert asked(episodes=[span(last_confirmed_on=day("2025-04-03"))]) == []
    assert asked(episodes=[span(last_confirmed_on=day("2025-04-02"))]) == [
        "Baclofen is listed as in use, last confirmed on 2 Apr 2025. Is it still?"
    ]


def test_ratings_lead_to_questions_only_while_the_treatment_is_in_use():
    rating = {
        "treatment_code": "baclofen",
        "purpose_code": "spasticity",
        "evaluated_on": day("2025-06-01"),
        "effectiveness": "none",
        "side_effect_severity": "moderate",
        "side_effect_codes": ["sleepiness"],
        "adherence": "sometimes",
        "burden": None,
    }
    assert asked(episodes=[span()], evaluations=[rating]) == [
        "Baclofen: side effects rated moderate (daytime sleepiness). Are they known to the team?",
        "Baclofen: used as intended sometimes. What gets in the way?",
        "Baclofen: own rating for spasticity is 'none'. What do you both expect of it?",
    ]
    assert asked(episodes=[span(stop="2025-08-01")], evaluations=[rating]) == []


def test_a_score_leads_to_a_question_beyond_its_error_or_where_none_is_known_by_its_mid():
    def fss(then, now):
        def assessed(on, score):
            return {
                "instrument_code": "fss",
                "instrument_version": "v1",
                "is_proxy": False,
                "assessed_on": day(on),
                "item_responses": None,
                "source_score": score,
            }

        return asked(assessments=[assessed("2024-10-05", then), assessed("2025-09-05", now)])

    assert fss(3.0, 4.5) == []
    assert fss(5.0, 3.0) == []
    assert len(fss(3.0, 5.0)) == 1


def test_the_same_records_give_the_same_questions_in_the_same_order():
    lines_found = symptom_lines(year() + year("pain"), PERIOD)
    given = (lines_found, [], [], falls([], PERIOD), activity([], PERIOD))
    assert questions(*given) == questions(*given)


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


@pytest.mark.parametrize(
    "word", ["<script>x</script>", '"><img src=x onerror=y>', "</style><b>", "{{ 7*7 }}", "</title><i>"]
)
def test_no_word_of_a_record_becomes_markup_wherever_it_stands(word):
    code = f"acme:{word}"
    made = sheet(
        symptom_days=year(code),
        episodes=[span(code, purpose_codes=[code], category="other")],
        evaluations=[
            {
                "treatment_code": code,
                "purpose_code": code,
                "evaluated_on": None,
                "effectiveness": "slight",
                "side_effect_severity": "severe",
                "side_effect_codes": [code],
                "adherence": word,
                "burden": None,
            }
        ],
        assessments=[
            {
                "instrument_code": code,
                "instrument_version": word,
                "is_proxy": False,
                "assessed_on": day("2025-09-05"),
                "item_responses": None,
                "source_score": 1.5,
            }
        ],
        limitations=[{"activity_code": code, "reported_on": day("2025-09-05"), "difficulty": 3, "help": "none"}],
    )
    made = replace(made, name=word, source_description=word, facts=(word,), relapses=(word,))
    page = to_html(made)
    found = Tags(page)
    plain = Tags(to_html(sheet(symptom_days=year(), episodes=[span()])))
    assert set(found.tags) - set(plain.tags) <= {"ol", "li", "section", "p"}
    assert not [name for name in found.attributes if name.startswith("on") or name == "src"]
    assert "49" not in re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)


def test_signs_that_turn_the_direction_of_writing_do_not_reach_the_page():
    made = sheet(symptom_days=year("acme:ab\u202ecd\x07"))
    assert made.symptoms[0].label == "abcd*"


def test_the_data_can_be_written_as_json():
    made = sheet(symptom_days=year(), episodes=[span()], falls=[fall("2025-01-01", "2025-01-31", 2)])
    text = json.dumps(made.to_data(), default=str)
    assert json.loads(text)["symptoms"][0]["change"] == 2


def wording(**said):
    given = {
        "facts": "x" * 100,
        "caveat": "x" * 200,
        "changed": ["x" * 100],
        "symptom_count": 3,
        "symptom_notes": lambda room: "",
        "life_row_count": 2,
        "life_notes": "",
        "score_count": 2,
        "score_notes": lambda room: "",
        "treatments": [("x" * 30, "x" * 100)],
        "treatment_notes": lambda room: "",
        "questions": [("x" * 90, "x" * 40)],
        "footer": "x" * 300,
    }
    return Wording(**{**given, **said})


def test_little_gets_the_largest_type_and_much_a_smaller_one():
    assert fit(wording()).size_pt == 9.5
    room = fit(
        wording(
            symptom_count=10,
            score_count=4,
            treatments=[("x" * 30, "x" * 120)] * 4,
            questions=[("x" * 90, "x" * 40)] * 6,
        )
    )
    assert (room.symptoms, room.scores, room.treatments, room.questions) == (10, 4, 4, 6)
    assert room.size_pt < 9.5


def test_too_much_loses_lines_until_it_fits_and_no_more():
    much = wording(
        symptom_count=40,
        score_count=40,
        treatments=[("x" * 90, "x" * 300)] * 20,
        questions=[("x" * 200, "x" * 90)] * 20,
    )
    room = fit(much)
    assert fits(much, room)
    assert room.treatments < MOST.treatments
    for name in ("symptoms", "questions", "treatments", "scores"):
        if getattr(room, name) < getattr(MOST, name):
            assert not fits(much, replace(room, **{name: getattr(room, name) + 1})), name
    assert min(room.symptoms, room.scores, room.treatments, room.questions) >= 1


def test_breadth_is_that_of_arial():
    # Advance widths of Liberation Sans Regular, in 1/2048 em.
    assert breadth("severity") == pytest.approx((1024 + 1139 + 1024 + 1139 + 682 + 455 + 569 + 1024) / 2048, rel=0.03)
    assert (lines("x" * 10, 6), lines("x" * 10, 4)) == (1, 2)
    assert breadth("漢") == 1.0


def test_a_question_is_what_is_asked_and_why():
    made = sheet(symptom_days=year())
    assert made.questions == (
        Question(
            "Since about a year ago: fatigue (none to moderate). What is different in daily life?",
            "severities 1 or more steps worse, now moderate or severe",
        ),
    )
    assert Room(1, 1, 1, 1).size_pt == 8.0
    assert timedelta(days=364) == PERIOD.end - PERIOD.start
