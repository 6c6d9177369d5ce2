"""Scores and their change around the start of a treatment: golden vectors, and marts against slow, obvious Python."""

from __future__ import annotations

import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from itertools import combinations_with_replacement

import modes
import numpy as np
import pytest
from scipy import stats
from warehouse_records import AS_OF_AT, Warehouse, as_uuid

from schemas.instruments import instrument, score

AS_OF_ON = AS_OF_AT.date()
START = date(2024, 1, 10)
WINDOWS = {90: (45, 135), 180: (136, 270), 365: (271, 450)}
TREATMENTS = ["baclofen", "yoga"]


def days(number: int) -> timedelta:
    return timedelta(days=number)


def begin(warehouse, patient, treatment="yoga", on=START, precision="day", **values):
    given = {
        "treatment_code": treatment,
        "started_on": on,
        "started_on_precision": precision,
        "purpose_codes": ["pain"],
    }
    warehouse.add("treatment_episode", patient, **(given | values))


def assess(warehouse, patient, on, instrument_code, items=None, source=None, version="v1", **values):
    given = {
        "instrument_code": instrument_code,
        "instrument_version": version,
        "item_responses": items,
        "source_score": source,
    }
    warehouse.add("outcome_assessment", patient, assessed_on=on, **(given | values))


def pair_of(warehouse, before, after, instrument_code="msws_12", version="v1", follow_up=90):
    """The mart's row for one patient with these two scores (items, or a number that the source gives)."""
    warehouse.patient("p")
    begin(warehouse, "p")
    for on, given in ((START, before), (START + days(follow_up), after)):
        items, source = (given, None) if isinstance(given, list) else (None, given)
        assess(warehouse, "p", on, instrument_code, items, source, version)
    warehouse.build()
    [row] = warehouse.rows(f"SELECT * FROM marts.change_pair WHERE follow_up_days = {follow_up}")
    return row


@pytest.mark.parametrize(
    ("version", "raw_steps", "response"),
    [("v1", 4, "worsened"), ("v1", 3, "stable"), ("v2", 4, "worsened"), ("v2", 3, "stable"), ("v1", -4, "improved"), ("v1", -3, "stable")],
)  # fmt: skip
def test_four_raw_steps_of_the_walking_scale_pass_its_threshold(warehouse, version, raw_steps, response):
    before, after = [3] * 12, [3] * 12
    for place in range(3, 3 + abs(raw_steps)):
        after[place] += 1 if raw_steps > 0 else -1
    assert pair_of(warehouse, before, after, version=version)["mid_response"] == response


@pytest.mark.parametrize(
    ("before", "after", "response"),
    [
        (6.0, 7.2, "worsened"),  # exactly 20 % more
        (2.0, 2.4, "worsened"),  # (2.4 - 2.0) / 2.0 is less than 0.2 in floating point
        (10.3, 12.36, "worsened"),  # so is 12.36 less than 1.2 * 10.3
        (6.0, 7.19, "stable"),
        (6.0, 4.8, "improved"),
        (6.0, 4.81, "stable"),
    ],
)
def test_a_fifth_of_the_walking_time_is_compared_in_whole_hundredths(warehouse, before, after, response):
    assert pair_of(warehouse, before, after, "t25fw", None)["mid_response"] == response


def test_detectable_change_is_asked_apart_from_important_change(warehouse):
    """FSS: 4 points of the sum of 9 items are 0.44, 5 are 0.56: the threshold is 0.45, the detectable change 1.9."""
    row = pair_of(warehouse, [4] * 9, [4] * 4 + [3] * 5, "fss")
    assert (row["mid_response"], row["mdc_response"]) == ("improved", "stable")


def test_a_score_at_the_end_has_no_room(warehouse):
    row = pair_of(warehouse, [1] * 12, [2] * 12)
    assert (row["can_improve"], row["can_worsen"], row["mid_response"]) == (False, True, "worsened")


def test_nobody_is_better_or_worse_where_the_direction_is_unknown(warehouse):
    row = pair_of(warehouse, 1.0, 4.0, "mood", None)
    assert (row["change_score"], row["mid_response"], row["can_improve"]) == (3.0, None, None)


def test_a_baseline_after_the_start_counts_only_if_there_is_none_before(warehouse):
    for name, offsets in {"a": [-90, 3, 90], "b": [-91, 3, 7, 90], "c": [-91, 8, 90]}.items():
        warehouse.patient(name)
        begin(warehouse, name)
        for offset in offsets:
            assess(warehouse, name, START + days(offset), "pdds", [3])
    warehouse.build()
    assert sorted(row["baseline_day"] for row in warehouse.mart("change_pair")) == [-90] * 3 + [3] * 3


def test_versions_and_scorers_are_never_compared_with_each_other(warehouse):
    warehouse.patient("p")
    begin(warehouse, "p")
    assess(warehouse, "p", START, "msws_12", [3] * 12)
    assess(warehouse, "p", START + days(90), "msws_12", [3] * 12, version="v2")
    assess(warehouse, "p", START + days(91), "msws_12", None, 50.0)
    warehouse.build()
    rows = warehouse.mart("change_pair")
    assert {row["instrument_scale"] for row in rows} == {"msws_12 v1 total"}
    assert {row["change_score"] for row in rows} == {None}


def test_a_month_stands_for_its_fifteenth_day_and_a_year_for_none(warehouse):
    for name, precision in (("a", "month"), ("b", "year")):
        warehouse.patient(name)
        begin(warehouse, name, on=date(2024, 1, 1), precision=precision)
    warehouse.build()
    [row] = warehouse.mart("change_start")
    assert (row["started_on"], row["is_month_precise"]) == (date(2024, 1, 15), True)


def test_no_later_start_takes_the_place_of_a_first_one_without_a_date(warehouse):
    warehouse.patient("p")
    begin(warehouse, "p", on=None, precision="unknown", stopped_on=date(2020, 1, 1))
    begin(warehouse, "p")
    warehouse.build()
    assert warehouse.mart("change_start") == []


def test_a_proxys_answers_are_left_out(warehouse):
    warehouse.patient("p")
    assess(warehouse, "p", AS_OF_ON, "pdds", [3], mode="proxy")
    warehouse.build()
    assert warehouse.mart("score") == []


def test_an_assessment_counts_if_all_its_scales_can_be_scored(warehouse):
    warehouse.patient("p")
    assess(warehouse, "p", AS_OF_ON, "msis_29", [3] * 20 + [None] * 9)
    assess(warehouse, "p", AS_OF_ON - days(1), "msis_29", [3] * 29)
    warehouse.build()
    assert {(row["scale"], row["assessed_on"]) for row in warehouse.mart("score")} == {
        ("physical", AS_OF_ON - days(1)),
        ("psychological", AS_OF_ON - days(1)),
    }


def test_regression_to_the_mean_is_expected_as_by_hand(warehouse):
    """Mean 50 both times, r = .8, first score 70: 4 points less are to be expected; of 8 points 4 are beyond that."""
    pairs = [(60, 60)] * 18 + [(40, 40)] * 18 + [(60, 40)] * 2 + [(40, 60)] * 2
    for number, (first, second) in enumerate(pairs):
        warehouse.patient(f"r{number}")
        assess(warehouse, f"r{number}", START, "eq_vas", [first])
        assess(warehouse, f"r{number}", START + days(90), "eq_vas", [second])
    warehouse.patient("p")
    begin(warehouse, "p")
    assess(warehouse, "p", START, "eq_vas", [70])
    assess(warehouse, "p", START + days(90), "eq_vas", [62])
    warehouse.build()
    [reference] = [
        r for r in warehouse.mart("change_reference") if (r["ms_course"], r["follow_up_days"]) == ("all", 90)
    ]
    assert (reference["patient_count"], reference["correlation"]) == (40, pytest.approx(0.8))
    found = {r["part"]: r["mean_score"] for r in warehouse.mart("change_summary") if r["follow_up_days"] == 90}
    assert found == pytest.approx({"change": -8.0, "expected": -4.0, "beyond": -4.0, "without_co_start": -8.0})


class World:
    """Random scores and starts as Python lists and as a warehouse."""

    def __init__(self, seed: int, warehouse: Warehouse) -> None:
        self.random = random.Random(seed)
        self.scores: dict[tuple[str, str], list] = defaultdict(list)  # (patient, scale) -> (day, exact score, mode)
        self.episodes: list[tuple] = []
        self.course: dict[str, str] = {}
        self.relapses: dict[str, list] = defaultdict(list)
        for number in range(self.random.choice([3, 20, 70])):
            name = f"p{number}"
            self.course[name] = self.random.choice(["rrms", "spms"])
            warehouse.patient(name, ms_course=self.course[name])
            self._patient(name, warehouse)
        warehouse.build()

    def _patient(self, name, warehouse):
        level = self.random.uniform(1, 4)
        for code, version, count in (("msws_12", "v1", 12), ("fss", "v1", 9), ("pdds", None, 1), ("t25fw", None, 0)):
            for day in self.random.sample(range(-500, 530), self.random.choice([0, 4, 12, 25])):
                on, mode = START + days(day), self.random.choice(["web", "app", None])
                if count:
                    items = [min(5, max(1, round(level + self.random.gauss(0, 0.8)))) for _ in range(count)]
                    assess(warehouse, name, on, code, items, version=version, mode=mode)
                    scale = {"msws_12": "msws_12 v1 total", "fss": "fss v1 mean", "pdds": "pdds v1 step"}[code]
                    exact = score(code, version, scale.split()[-1], items).value
                else:
                    exact, scale = Fraction(self.random.randint(400, 900), 100), "t25fw unstated time"
                    assess(warehouse, name, on, code, source=float(exact), version=None, mode=mode)
                if on <= AS_OF_ON:
                    self.scores[name, scale].append((on, exact, mode or "unknown"))
        for treatment in TREATMENTS:
            for day in self.random.sample(range(-200, 520), self.random.choice([0, 1, 1, 2])):
                on, precision = START + days(day), self.random.choice(["day", "day", "month", "year"])
                on = on.replace(day=1) if precision != "day" else on
                stopped = on + days(self.random.choice([5, 60])) if self.random.random() < 0.7 else None
                begin(warehouse, name, treatment, on, precision, stopped_on=stopped)
                self.episodes.append((name, treatment, on, precision, stopped))
        for day in self.random.sample(range(-300, 500), self.random.choice([0, 0, 1])):
            warehouse.add("relapse", name, started_on=START + days(day), started_on_precision="day")
            self.relapses[name].append(START + days(day))

    def course_starts(self):
        """(patient, treatment) -> [(day, is dated)] of courses."""
        spans = defaultdict(list)
        for name, treatment, on, precision, stopped in self.episodes:
            if on <= AS_OF_ON:
                day = on + days(14) if precision == "month" else on
                spans[name, treatment].append((day, precision != "year", stopped or date.max))
        found = {}
        for key, given in spans.items():
            merged = defaultdict(lambda: [True, date.min])
            for day, dated, stopped in given:
                merged[day] = [merged[day][0] and dated, max(merged[day][1], stopped)]
            until, courses = None, []
            for day in sorted(merged):
                dated, stopped = merged[day]
                if until is None or (until != date.max and day > until + days(30)):
                    courses.append((day, dated and day <= AS_OF_ON))
                until = stopped if until is None else max(until, stopped)
            found[key] = courses
        return found

    def last_report(self, name):
        scored = [on for (owner, _), given in self.scores.items() if owner == name for on, _, _ in given]
        return max([*scored, *(on for on in self.relapses[name] if on <= AS_OF_ON)])

    def pairs(self):
        """(patient, treatment, scale, follow-up) -> what the mart should say."""
        courses, found = self.course_starts(), {}
        for (name, treatment), starts in courses.items():
            start, dated = starts[0]
            if not dated:
                continue
            others = [d for (n, t), given in courses.items() if n == name and t != treatment for d, ok in given if ok]
            for (owner, scale), given in self.scores.items():
                if owner != name:
                    continue
                around = sorted(((on - start).days, value, mode) for on, value, mode in given)
                before = [s for s in around if -90 <= s[0] <= 0]
                after = [s for s in around if 1 <= s[0] <= 7]
                if not before and not after:
                    continue
                base = before[-1] if before else after[0]
                for days_after, (low, high) in WINDOWS.items():
                    due = start + days(high) <= AS_OF_ON
                    later = [s for s in around if low <= s[0] <= high] if due else []
                    earlier = [s for s in around if -360 <= s[0] <= -91]
                    follow = min(later, key=lambda s: (abs(s[0] - days_after), s[2] != base[2], s[0]), default=None)
                    pre = min(earlier, key=lambda s: (abs(s[0] - (base[0] - days_after)), s[0]), default=None)
                    found[name, treatment, scale, days_after] = {
                        "base": base,
                        "due": due,
                        "follow": follow,
                        "change": follow and follow[1] - base[1],
                        "before": pre and base[1] - pre[1],
                        "reporting": self.last_report(name) >= start + days(low),
                        "co_start": any(abs((d - start).days) <= 30 for d in others),
                    }
        return found


# Of 65 faults planted in these marts that any of the eight shows, these show all.
@pytest.fixture(scope="module", params=modes.share((0, 1, 3, 5), range(8)))
def world(request, new_warehouse) -> Iterator[tuple[World, Warehouse]]:
    with new_warehouse() as con:
        warehouse = Warehouse(con)
        yield World(request.param, warehouse), warehouse


def name_of(world):
    return name_of_all(world.course)


def name_of_all(names):
    return {as_uuid(name): name for name in names}


def response(scale, base, change, threshold):
    code, name = scale.split()[0], scale.split()[-1]
    known = {t.name: t for t in instrument(code).scales[name].thresholds}
    first, second = (f"{threshold}_improvement", f"{threshold}_worsening") if threshold == "mid" else ("mdc", "mdc")
    if change is None or first not in known:
        return None
    better, worse = (Fraction(known[n].value) * (base if known[n].metric == "ratio" else 1) for n in (first, second))
    return "improved" if change <= -better else "worsened" if change >= worse else "stable"


def test_pairs_around_a_start(world):
    world, warehouse = world
    names = name_of(world)
    rows = {
        (names[str(r["patient_id"])], r["treatment_code"], r["instrument_scale"], r["follow_up_days"]): r
        for r in warehouse.mart("change_pair")
    }
    expected = world.pairs()
    assert set(rows) == set(expected)
    for key, wanted in expected.items():
        row = rows[key]
        assert (row["baseline_day"], row["is_due"], row["has_co_start"], row["is_reporting"]) == (
            wanted["base"][0],
            wanted["due"],
            wanted["co_start"],
            wanted["reporting"],
        )
        assert row["baseline_score"] == pytest.approx(float(wanted["base"][1]))
        assert row["follow_day"] == (wanted["follow"] and wanted["follow"][0])
        for column, value in (("change_score", wanted["change"]), ("before_change_score", wanted["before"])):
            assert (row[column] is None) == (value is None)
            assert value is None or row[column] == pytest.approx(float(value))
        assert row["mid_response"] == response(key[2], wanted["base"][1], wanted["change"], "mid")
        assert row["mdc_response"] == response(key[2], wanted["base"][1], wanted["change"], "mdc")


def test_who_has_no_second_score_still_reports_or_is_silent(world):
    world, warehouse = world
    expected = Counter()
    for (_, treatment, scale, follow_up), pair in world.pairs().items():
        if pair["due"] and pair["follow"] is None:
            expected[treatment, scale, follow_up, "lost_reporting" if pair["reporting"] else "lost_silent"] += 1
    assert {
        (r["treatment_code"], r["instrument_scale"], r["follow_up_days"], r["change_group"]): r["patient_count"]
        for r in warehouse.mart("change_group")
        if r["change_group"].startswith("lost") and r["patient_count"]
    } == expected


def test_any_report_shows_that_a_patient_is_still_there(warehouse):
    """Of each kind of record one patient has one, the day after the window opened; one has none; one has it a day too early."""
    day = START + days(45)
    kinds = {
        "symptom_report": {"symptom_code": "fatigue", "severity": 1, "reported_on": day},
        "outcome_assessment": {"instrument_code": "fss", "source_score": 3.0, "assessed_on": day},
        "treatment_evaluation": {"episode": "treatment_evaluation", "evaluated_on": day},
        "treatment_episode": {"treatment_code": "baclofen", "last_confirmed_on": day},
        "weekly_activity": {"week_starting_on": day - days(6)},
        "activity_limitation": {"activity_code": "walking", "reported_on": day},
        "fall_report": {"period_started_on": START, "period_ended_on": day},
        "relapse": {"started_on": day},
    }
    early = {"symptom_report": {"symptom_code": "fatigue", "severity": 1, "reported_on": day - days(1)}}
    for name, given in [*((table, {table: values}) for table, values in kinds.items()), ("early", early), ("none", {})]:
        warehouse.patient(name)
        begin(warehouse, name, record=name)
        assess(warehouse, name, START, "pdds", [3])
        for table, values in given.items():
            warehouse.add(table, name, **values)
    warehouse.build()
    names = name_of_all([*kinds, "early", "none"])
    found = {
        names[str(r["patient_id"])]: r["is_reporting"]
        for r in warehouse.mart("change_pair")
        if r["follow_up_days"] == 90
    }
    assert found == dict.fromkeys(kinds, True) | {"early": False, "none": False}


def reference_of(world):
    """(scale, follow-up, course) -> (patients, mean 1, mean 2, slope), each patient with a weight of one."""
    starts = defaultdict(list)
    for (name, _), given in world.course_starts().items():
        starts[name] += [day for day, dated in given if dated]
    pairs = defaultdict(lambda: defaultdict(list))
    for (name, scale), given in world.scores.items():
        for on, value, _ in given:
            if any(abs((day - on).days) <= 30 for day in starts[name]):
                continue
            for follow_up, (low, high) in WINDOWS.items():
                later = [((d - on).days, v) for d, v, _ in given if low <= (d - on).days <= high]
                if later:
                    best = min(later, key=lambda s: (abs(s[0] - follow_up), s[0]))
                    for course in (world.course[name], "all"):
                        pairs[scale, follow_up, course][name].append((float(value), float(best[1])))
    found = {}
    for key, of in pairs.items():
        y = np.array([pair for given in of.values() for pair in given])
        w = np.array([1 / len(given) for given in of.values() for _ in given])
        m1, m2 = np.average(y, axis=0, weights=w)
        variance = np.average((y[:, 0] - m1) ** 2, weights=w)
        covariance = np.average((y[:, 0] - m1) * (y[:, 1] - m2), weights=w)
        found[key] = (len(of), m1, m2, covariance / variance if variance > 1e-9 else None)
    return found


def test_what_goes_on_without_a_start(world):
    world, warehouse = world
    expected = reference_of(world)
    rows = warehouse.mart("change_reference")
    assert {(r["instrument_scale"], r["follow_up_days"], r["ms_course"]) for r in rows} == set(expected)
    for r in rows:
        count, m1, m2, slope = expected[r["instrument_scale"], r["follow_up_days"], r["ms_course"]]
        assert r["patient_count"] == count
        assert (r["mean_1"], r["mean_2"]) == pytest.approx((m1, m2))
        assert (r["slope"] is None) == (slope is None)
        assert slope is None or r["slope"] == pytest.approx(slope, abs=1e-6)


def test_summaries_of_change(world):
    world, warehouse = world
    reference, groups = reference_of(world), defaultdict(list)
    for (name, treatment, scale, follow_up), pair in world.pairs().items():
        if pair["change"] is None:
            continue
        known = [reference.get((scale, follow_up, course)) for course in (world.course[name], "all")]
        usable = [r for r in known if r and r[0] >= 30 and r[3] is not None]
        y = float(pair["base"][1])
        expected = None
        if usable:
            _, m1, m2, slope = usable[0]
            expected = m2 + slope * (y - m1) - y
        change = float(pair["change"])
        parts = {"change": change, "expected": expected, "beyond": None if expected is None else change - expected}
        parts |= {"before": float(pair["before"])} if pair["before"] is not None else {}
        parts |= {} if pair["co_start"] else {"without_co_start": change}
        for part, value in parts.items():
            groups[treatment, scale, follow_up, part].append(value)
    rows = warehouse.mart("change_summary")
    assert {(r["treatment_code"], r["instrument_scale"], r["follow_up_days"], r["part"]) for r in rows} == set(groups)
    for r in rows:
        values = groups[r["treatment_code"], r["instrument_scale"], r["follow_up_days"], r["part"]]
        assert r["patient_count"] == len(values)
        if None in values:
            assert (r["mean_score"], r["low_score"], r["high_score"]) == (None, None, None)
            continue
        assert r["mean_score"] == pytest.approx(np.mean(values), abs=1e-9)
        spread = np.std(values, ddof=1) if len(values) > 1 else None
        if len(values) >= 30:
            half = stats.t.ppf(0.975, len(values) - 1) * spread / len(values) ** 0.5
            assert (r["low_score"], r["high_score"]) == pytest.approx((np.mean(values) - half, np.mean(values) + half))
        elif len(values) < 5:
            assert r["low_score"] is None
        elif spread > 1e-6:
            assert r["low_score"] < r["mean_score"] < r["high_score"]
        if r["part"] == "change":
            walsh = [(a + b) / 2 for a, b in combinations_with_replacement(values, 2)]
            assert r["median_change"] == pytest.approx(statistics.median(walsh), abs=1e-9)


def test_latest_scores(world):
    world, warehouse = world
    latest = defaultdict(list)
    for (_, scale), given in world.scores.items():
        inside = [s for s in given if s[0] > AS_OF_ON - days(365)]
        if inside:
            latest[scale].append(float(max(inside)[1]))
    rows = {r["instrument_scale"]: r for r in warehouse.mart("score_distribution")}
    assert set(rows) == set(latest)
    for scale, values in latest.items():
        row = rows[scale]
        assert (row["patient_count"], row["mean_score"]) == (len(values), pytest.approx(np.mean(values)))
        quartiles = (row["quartile_1_score"], row["median_score"], row["quartile_3_score"])
        assert quartiles == pytest.approx(tuple(np.quantile(values, [0.25, 0.5, 0.75])))
        known = instrument(scale.split()[0]).scales[scale.split()[-1]]
        assert row["minimum_count"] == sum(v == known.minimum for v in values)
        assert row["maximum_count"] == sum(v == known.maximum for v in values)
        assert row["is_minimum_crowded"] == (row["minimum_count"] > 0.15 * len(values))
    bands = [r for r in warehouse.mart("score_band") if r["instrument_scale"] == "pdds v1 step"]
    pdds = latest.get("pdds v1 step", [])
    expected = {"mild": (0, 3), "moderate": (3, 6), "severe": (6, 9)} if pdds else {}
    assert {r["band"]: r["patient_count"] for r in bands} == {
        band: sum(low <= v < high for v in pdds) for band, (low, high) in expected.items()
    }


def worsening_of(given, relapses):
    """(days, whether it worsened) of one patient, or None: by the definition, assessment by assessment."""
    disturbed = lambda on: any(0 <= (on - relapse).days <= 90 for relapse in relapses)  # noqa: E731
    given = sorted(given)
    quiet = [s for s in given if not disturbed(s[0])]
    if not quiet:
        return None
    first_on, first = quiet[0][0], quiet[0][1]
    last = None
    for on, value, _ in quiet:
        later = [s for s in quiet if (s[0] - on).days >= 90]
        if not later:
            continue
        last = on
        until = later[0][0]
        if value >= first + 1 and all(s[1] >= first + 1 for s in given if on <= s[0] <= until):
            return (on - first_on).days, True
    return ((last - first_on).days, False) if last and last > first_on else None


def test_lasting_worsening(world):
    world, warehouse = world
    names = name_of(world)
    expected = {}
    for (name, scale), given in world.scores.items():
        if scale == "pdds v1 step" and (found := worsening_of(given, world.relapses[name])):
            expected[name] = found
    rows = warehouse.mart("score_worsening")
    assert {names[str(r["patient_id"])]: (r["exit_days"], r["is_worsened"]) for r in rows} == expected


def test_the_share_without_worsening(world):
    from statsmodels.duration.survfunc import SurvfuncRight

    _, warehouse = world
    people = warehouse.mart("score_worsening")
    rows = {r["until_days"]: r for r in warehouse.mart("score_worsening_curve")}
    if not people:
        assert rows == {}
        return
    times, events = [p["exit_days"] for p in people], [int(p["is_worsened"]) for p in people]
    curve = SurvfuncRight(np.array(times), np.array(events))
    for until, row in rows.items():
        if max(times) < until:
            assert row["free_ratio"] in (None, 0)
            continue
        before = [s for t, s in zip(curve.surv_times, curve.surv_prob, strict=True) if t <= until]
        assert row["free_ratio"] == pytest.approx(before[-1] if before else 1)
        if before and 0 < before[-1] < 1:
            error = [s for t, s in zip(curve.surv_times, curve.surv_prob_se, strict=True) if t <= until][-1]
            spread = 1.959963984540054 * error / (before[-1] * np.log(before[-1]))
            limits = before[-1] ** np.exp(-spread), before[-1] ** np.exp(spread)
            assert (row["low_ratio"], row["high_ratio"]) == pytest.approx(limits)
        assert row["followed_count"] == sum(t > until for t in times)
    steps = sorted(rows)
    for earlier, later in zip(steps, steps[1:], strict=False):
        row = rows[later]
        assert rows[earlier]["followed_count"] == row["followed_count"] + row["worsened_count"] + row["left_count"]


def test_a_bootstrap_agrees_with_scipys(warehouse):
    warehouse.build()
    values = sorted([1.0, 2.0, 2.5, 3.0, 7.0, 8.0, 12.0, 20.0, 21.0, 40.0, 3.5, 1.5])
    [row] = warehouse.rows(
        f"SELECT bootstrap_mean({values}) AS limits, bootstrap_mean([1, 1, 1, 1, 1]) AS same, bootstrap_mean([1, 2, 3, 4]) AS few"
    )
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20000, rng=np.random.default_rng(1))
    assert row["limits"] == pytest.approx(list(theirs.confidence_interval), abs=0.6)
    assert (row["same"], row["few"]) == (None, None)
    again = warehouse.rows(f"SELECT bootstrap_mean({values}) AS limits")
    assert again[0]["limits"] == row["limits"]
