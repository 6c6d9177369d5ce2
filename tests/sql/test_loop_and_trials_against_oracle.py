"""The marts of the loop and of nested trials against slow, obvious Python on small random warehouses."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import modes
import numpy as np
import pytest
from scipy.stats import spearmanr
from warehouse_records import AS_OF_AT, Warehouse, as_uuid

from flows.stages import estimators
from schemas.instruments import score
from sql import statement

AS_OF_ON = AS_OF_AT.date()
LAST = 12 * AS_OF_ON.year + AS_OF_ON.month
SYMPTOMS = ["muscle_weakness", "leg_weakness", "fatigue", "fatigue", "vision_problems", "pain"]
TREATMENTS = ["yoga", "cane", "baclofen"]


def month_of(day: date) -> int:
    return 12 * day.year + day.month


class World:
    """The same records as Python lists and as a warehouse. Months are dense, so that runs and follow-ups occur."""

    def __init__(self, seed: int, warehouse: Warehouse) -> None:
        self.random = random.Random(seed)
        self.warehouse = warehouse
        self.patients: dict[str, dict] = {}
        self.symptoms: list[dict] = []
        self.weeks: list[dict] = []
        self.scores: list[dict] = []
        self.episodes: list[dict] = []
        for number in range(14):
            self._patient(f"p{number}")

    def _patient(self, name: str) -> None:
        choice, chance = self.random.choice, self.random.random
        patient = {
            "source": choice(["canonical", "canonical", "canonical", "druglib"]),
            "consented": chance() < 0.85,
            "sex": choice(["female", "male", None]),
            "ms_course": choice(["rrms", "spms", "ppms", None]),
            "birth_year": choice([1960, 1975, None]),
            "diagnosis_year": choice([2000, None]),
            "is_relapse_free_24_months": choice([True, False, None]),
        }
        self.patients[name] = patient
        stated = {k: v for k, v in patient.items() if k not in ("source", "consented") and v is not None}
        self.warehouse.patient(name, consented=patient["consented"], source=patient["source"], **stated)
        for month in range(40):
            first = date((LAST - month - 1) // 12, (LAST - month - 1) % 12 + 1, 1)
            if chance() < 0.85:
                self._month(name, patient["source"], first)
        for treatment in TREATMENTS:
            for _ in range(choice([0, 1, 1, 2])):
                self._episode(name, patient["source"], treatment)

    def _month(self, name: str, source: str, first: date) -> None:
        choice, chance = self.random.choice, self.random.random
        for symptom in ("muscle_weakness", "fatigue", *self.random.sample(SYMPTOMS, 2)):
            if chance() < 0.05:
                continue
            report = {
                "symptom_code": symptom,
                "reported_on": first + timedelta(days=choice([0, 9, 27])),
                "severity": self.random.randrange(4),
                "body_region": choice(["legs", "face", None]),
                "source_updated_at": choice([None, datetime(2025, 6, 1, tzinfo=UTC)]),
                "row_hash": self.random.randrange(10**9),
            }
            self.symptoms.append({"name": name, **report})
            self.warehouse.add("symptom_report", name, source, **report)
        for _ in range(choice([0, 1, 1, 2])):
            week = {
                "week_starting_on": first + timedelta(days=choice([-2, 5, 5, 12, 29])),
                "active_minutes": choice([0, 60, 120, 200, None]),
                "row_hash": self.random.randrange(10**9),
            }
            self.weeks.append({"name": name, **week})
            self.warehouse.add("weekly_activity", name, source, **week)
        for instrument, items in (("msws_12", 12), ("pdds", 1), ("eq_vas", 1)):
            for _ in range(choice([0, 0, 0, 1, 1, 2])):
                answer = {
                    "instrument_code": instrument,
                    "instrument_version": "v1" if instrument == "msws_12" else None,
                    "assessed_on": first + timedelta(days=choice([3, 20])),
                    "item_responses": choice([None, [choice([1, 2, 5])] * items]),
                    "source_score": choice([0.0, 3.0, 8.0, None]),
                    "mode": choice([None, "web", "web", "proxy"]),
                    "row_hash": self.random.randrange(10**9),
                }
                self.scores.append({"name": name, **answer})
                self.warehouse.add("outcome_assessment", name, source, **answer)

    def _episode(self, name: str, source: str, treatment: str) -> None:
        choice = self.random.choice
        started = choice([None, *[AS_OF_ON - timedelta(days=d) for d in (-5, 20, 100, 200, 300, 301, 500, 2000)]])
        stopped = choice([None, None, 30, 95, 400])
        episode = {
            "treatment_code": treatment,
            "category": choice(["exercise", "medication"]),
            "started_on": started,
            "started_on_precision": choice(["day", "day", "day", "day", "month", "year"]) if started else None,
            "stopped_on": started + timedelta(days=stopped) if started and stopped else None,
        }
        self.episodes.append({"name": name, **episode})
        self.warehouse.add("treatment_episode", name, source, **episode)

    @property
    def counted(self) -> dict[str, dict]:
        return {name: p for name, p in self.patients.items() if p["consented"]}

    @property
    def comparable(self) -> dict[str, dict]:
        return {name: p for name, p in self.counted.items() if p["source"] == "canonical"}


# Of 77 faults planted in these marts that any of the four shows, 1 shows all, and so does 2.
@pytest.fixture(scope="module", params=modes.share((1, 2), range(4)))
def world(request, new_warehouse) -> Iterator[World]:
    with new_warehouse() as con:
        made = World(request.param, Warehouse(con))
        made.warehouse.build()
        yield made


def winner(rows):
    early = datetime(1, 1, 1, tzinfo=UTC)
    return max(rows, key=lambda r: (r.get("source_updated_at") or early, r["row_hash"]))


def score_of(answer):
    """By our rule if there are answers, else as the source scored it."""
    if answer["item_responses"] is None:
        return answer["source_score"]
    code = answer["instrument_code"]
    exact = score(
        code, answer["instrument_version"], "total" if code == "msws_12" else "step", answer["item_responses"]
    ).value
    return None if exact is None else float(exact)


def values_of(world: World) -> dict:
    """(patient, measure, month) -> (value, last day)."""
    days = defaultdict(list)
    moved = {"leg_weakness": ("muscle_weakness", "legs")}
    regions = defaultdict(list)
    for report in world.symptoms:
        symptom, region = moved.get(
            report["symptom_code"], (report["symptom_code"], report["body_region"] or "unknown")
        )
        if symptom in ("muscle_weakness", "fatigue", "vision_problems"):
            regions[report["name"], symptom, report["reported_on"], region].append(report)
    for (name, symptom, day, _), reports in regions.items():
        days[name, symptom, day].append(winner(reports)["severity"])
    daily = {key: float(max(found)) for key, found in days.items()}
    weeks, answers = defaultdict(list), defaultdict(list)
    for week in world.weeks:
        if week["active_minutes"] is not None:
            weeks[week["name"], "active_minutes", week["week_starting_on"] + timedelta(days=3)].append(week)
    daily |= {key: float(winner(found)["active_minutes"]) for key, found in weeks.items()}
    for answer in (given for given in world.scores if given["instrument_code"] != "eq_vas"):
        if answer["mode"] != "proxy" and score_of(answer) is not None:
            key = answer["name"], answer["instrument_code"], answer["assessed_on"]
            answers[key, answer["item_responses"] is None].append(answer)
    scored = defaultdict(list)
    for (key, _), found in answers.items():
        scored[key].append(score_of(winner(found)))
    daily |= {key: sum(values) / len(values) for key, values in scored.items()}
    months = defaultdict(list)
    for (name, measure, day), value in daily.items():
        if name in world.counted and day <= AS_OF_ON and month_of(day) > LAST - 36:
            months[name, measure, month_of(day)].append((day, value))
    return {key: (sum(v for _, v in found) / len(found), max(day for day, _ in found)) for key, found in months.items()}


def test_months_hold_the_mean_of_their_days(world):
    expected = {(as_uuid(n), measure, m): found for (n, measure, m), found in values_of(world).items()}
    rows = world.warehouse.mart("trial_month")
    found = {(str(r["patient_id"]), r["measure"], r["month_number"]): (r["value"], r["known_on"]) for r in rows}
    assert found.keys() == expected.keys()
    for key, (value, day) in expected.items():
        assert found[key] == (pytest.approx(value), day), key


def use_of(world: World, name: str, month: int) -> int:
    first = date((month - 1) // 12, (month - 1) % 12 + 1, 1)
    return len(
        {
            e["treatment_code"]
            for e in world.episodes
            if e["name"] == name
            and e["started_on"]
            and e["started_on"] <= first
            and (e["stopped_on"] is None or e["stopped_on"] > first)
        }
    )


def complete_months(world: World) -> dict[str, dict[int, tuple]]:
    values = values_of(world)
    found: dict[str, dict[int, tuple]] = defaultdict(dict)
    for name, _, month in values:
        states = [values.get((name, measure, month)) for measure in ("fatigue", "active_minutes", "muscle_weakness")]
        if all(states):
            found[name][month] = (*(s[0] for s in states), use_of(world, name, month))
    return found


def longest_run(months) -> list[int]:
    runs: list[list[int]] = []
    for month in sorted(months):
        if runs and month == runs[-1][-1] + 1:
            runs[-1].append(month)
        else:
            runs.append([month])
    return max(runs, key=lambda run: (len(run), run[0]))


def test_the_longest_run_of_complete_months(world):
    expected = {}
    for name, months in complete_months(world).items():
        run = longest_run(months)
        expected |= {(as_uuid(name), m): (*states, m in run) for m, states in months.items()}
    rows = world.warehouse.mart("loop_month")
    found = {
        (str(r["patient_id"]), r["month_number"]): (
            r["fatigue"], r["activity"], r["weakness"], r["treatment_count"], r["is_longest"],
        )
        for r in rows
    }  # fmt: skip
    assert found.keys() == expected.keys()
    for key, states in expected.items():
        assert found[key] == pytest.approx(states), key


def moments_of(run: list[int], months: dict[int, tuple], first: int, last: int, lag: int):
    """Sums of products of one part of a run, by least squares on a line."""
    inside = [m for m in run if first <= m < last]
    pairs = [(months[m - lag], months[m], m) for m in inside if m - lag in inside]
    before = np.array([[*b[:3], b[3], now[3]] for b, now, _ in pairs], dtype=float)
    now = np.array([n[:3] for _, n, _ in pairs], dtype=float)
    line = np.column_stack([np.ones(len(pairs)), [t for _, _, t in pairs]])
    before, now = (a - line @ np.linalg.lstsq(line, a, rcond=None)[0] for a in (before, now))
    square = before.T @ before
    return [square[i, j] for i in range(5) for j in range(i, 5)], (before.T @ now).ravel(), len(pairs)


def test_sums_of_products_are_those_of_detrended_series(world):
    expected = {}
    for name, months in complete_months(world).items():
        run = longest_run(months)
        length, start = len(run), run[0]
        if length < 6:
            continue
        half = start + length // 2
        parts = {"whole": (start, start + length)}
        if length >= 16:
            parts |= {"first": (start, half), "second": (half, start + length)}
        for lag in (1, 2, 3) if length >= 16 else (1,):
            for part, (first, last) in parts.items():
                expected[as_uuid(name), lag, part] = moments_of(run, months, first, last, lag)
    rows = world.warehouse.mart("loop_moment")
    found = {(str(r["patient_id"]), r["lag_months"], r["part"]): r for r in rows}
    assert found.keys() == expected.keys()
    for key, (square, outcome, pairs) in expected.items():
        assert found[key]["pair_count"] == pairs
        assert found[key]["predictor_products"] == pytest.approx(square, abs=1e-6), key
        assert found[key]["outcome_products"] == pytest.approx(outcome, abs=1e-6), key


def test_rank_correlations_are_spearman_s(world):
    expected = {as_uuid(n): np.array(list(m.values()))[:, :3] for n, m in complete_months(world).items() if len(m) > 3}
    rows = {str(r["patient_id"]): r for r in world.warehouse.mart("loop_rank")}
    assert rows.keys() == expected.keys()
    for key, states in expected.items():
        assert rows[key]["month_count"] == len(states)
        assert rows[key]["activity_mean"] == pytest.approx(states[:, 1].mean())
        for name, (first, second) in {
            "fatigue_activity": (0, 1),
            "activity_weakness": (1, 2),
            "weakness_fatigue": (2, 0),
        }.items():
            is_constant = any(np.ptp(states[:, k]) == 0 for k in (first, second))
            correlation = None if is_constant else spearmanr(states[:, first], states[:, second]).statistic
            assert rows[key][name] == (None if correlation is None else pytest.approx(correlation))


def test_groups_of_the_loop_count_patients(world):
    months = complete_months(world)
    lengths = [len(longest_run(m)) for m in months.values()]
    found = {r["loop_group"]: r["patient_count"] for r in world.warehouse.mart("loop_group")}
    assert found["any"] == len(months)
    assert found["run_16_up"] == sum(n >= 16 for n in lengths)
    assert found["run_6_to_15"] == sum(6 <= n < 16 for n in lengths)
    assert found["run_below_6"] == sum(n < 6 for n in lengths)
    assert found["months_4_up"] == sum(len(m) > 3 for m in months.values())


def starts_of(world: World) -> dict:
    """(patient, treatment) -> month of the first start, None if a start is not known to the month."""
    found = defaultdict(list)
    for e in world.episodes:
        if e["name"] in world.comparable and (e["started_on"] is None or e["started_on"] <= AS_OF_ON):
            found[e["name"], e["treatment_code"]].append(e)
    return {
        key: None
        if any(e["started_on"] is None or e["started_on_precision"] == "year" for e in episodes)
        else min(month_of(e["started_on"]) for e in episodes)
        for key, episodes in found.items()
    }


def test_a_start_counts_only_if_all_starts_are_known_to_the_month(world):
    expected = {(as_uuid(n), t): month for (n, t), month in starts_of(world).items()}
    rows = world.warehouse.mart("trial_start")
    assert {(str(r["patient_id"]), r["treatment_code"]): r["start_month"] for r in rows} == expected


def baselines_of(world: World) -> dict:
    """(patient, outcome, month) -> baseline, earlier, follow-up, its day."""
    values = values_of(world)
    found = {}
    for (name, outcome, month), (baseline, _) in values.items():
        if outcome not in ("muscle_weakness", "fatigue", "msws_12", "vision_problems") or name not in world.comparable:
            continue
        earlier = [values[name, outcome, m][0] for m in range(month - 3, month) if (name, outcome, m) in values]
        after = next(
            (values[name, outcome, m] for m in (month + 4, month + 3, month + 5) if (name, outcome, m) in values), None
        )
        found[name, outcome, month + 1] = (
            baseline,
            sum(earlier) / len(earlier) if earlier else None,
            *(after or (None, None)),
        )
    return found


def test_baselines_and_follow_ups_of_every_month(world):
    expected = {(as_uuid(n), o, m): found for (n, o, m), found in baselines_of(world).items()}
    rows = world.warehouse.mart("trial_baseline")
    found = {
        (str(r["patient_id"]), r["outcome_code"], r["trial_month"]): (
            r["baseline"], r["earlier"], r["follow_up"], r["follow_up_on"],
        )
        for r in rows
    }  # fmt: skip
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        for one, other in zip(found[key], values, strict=True):
            assert one == (pytest.approx(other) if isinstance(other, float) else other), key
    places = defaultdict(list)
    for r in rows:
        places[r["outcome_code"], r["trial_month"], r["follow_up"] is None].append(r["place"])
    assert all(sorted(place) == list(range(1, len(place) + 1)) for place in places.values())


@pytest.fixture
def small(world):
    """The statement of candidates for treatments that anybody began, not only those that thirty did."""
    con = world.warehouse.con
    world.warehouse.make("trial_starter")
    starter = statement("marts/trial_starter").replace(">= 30", ">= 1")
    assert starter != statement("marts/trial_starter")
    con.execute(f"CREATE OR REPLACE TABLE marts.trial_starter AS {starter}")
    return world


def state_of(world: World, values: dict, name: str, month: int) -> dict:
    """What is known of a patient before a month."""
    p = world.patients[name]

    def at(measure, back=1):
        return values.get((name, measure, month - back), (None,))[0]

    nrspms = p["ms_course"] == "spms" and p["is_relapse_free_24_months"] is True
    year = (month - 1) // 12
    return {
        "weakness": at("muscle_weakness"),
        "fatigue": at("fatigue"),
        "activity": at("active_minutes"),
        "disability": next((at("pdds", back) for back in range(1, 13) if at("pdds", back) is not None), None),
        "age": None if p["birth_year"] is None else year - p["birth_year"],
        "female": float(p["sex"] == "female"),
        "nrspms": float(nrspms),
        "other_progressive": float(p["ms_course"] in ("ppms", "spms") and not nrspms),
        "years_diagnosed": None if p["diagnosis_year"] is None else year - p["diagnosis_year"],
        "treatments": float(use_of(world, name, month - 1)),
    }


def test_candidates_are_starters_and_those_who_have_not_started(small):
    world = small
    values, baselines, starts = values_of(world), baselines_of(world), starts_of(world)
    expected = {}
    for treatment in TREATMENTS:
        trials = {
            (o, m)
            for (n, o, m), (*_, after, _) in baselines.items()
            if starts.get((n, treatment)) == m and m > LAST - 36 and after is not None
        }
        for (name, outcome, month), (baseline, earlier, after, after_on) in baselines.items():
            start = starts.get((name, treatment), "never")
            if (outcome, month) not in trials or after is None or start is None or (start != "never" and start < month):
                continue
            is_starter = start == month
            taken = any(
                e["name"] == name
                and e["treatment_code"] == treatment
                and e["started_on"] <= after_on
                and (e["stopped_on"] is None or e["stopped_on"] > after_on)
                for e in world.episodes
                if e["started_on"]
            )
            state = state_of(world, values, name, month)
            state["weakness"] = None if outcome == "muscle_weakness" else state["weakness"]
            state["fatigue"] = None if outcome == "fatigue" else state["fatigue"]
            expected[treatment, outcome, f"{month} canonical", as_uuid(name)] = {
                "is_starter": is_starter,
                "is_still_taking": is_starter and taken,
                "has_crossed_over": not is_starter and start != "never" and start <= month_of(after_on),
                "follow_up": after,
                "baseline": baseline,
                "trend": None if earlier is None else baseline - earlier,
            } | state
    rows = world.warehouse.rows(statement("marts/comparison"))
    found = {(r["treatment_code"], r["outcome_code"], r["stratum"], r["patient_id"]): r for r in rows}
    assert found.keys() == expected.keys()
    for key, values_expected in expected.items():
        for column, value in values_expected.items():
            wanted = value if value is None or isinstance(value, bool) else pytest.approx(value)
            assert found[key][column] == wanted, (key, column)
    order = [(r["treatment_code"], r["outcome_code"], r["stratum"], not r["is_starter"]) for r in rows]
    assert order == sorted(order)


def test_what_is_counted_of_a_comparison_is_its_pairs(small, monkeypatch):
    world = small
    monkeypatch.setattr("flows.stages.trials.FEWEST_PATIENTS", 3)
    con = world.warehouse.con
    made = estimators.estimate("comparison", con.execute(statement("marts/comparison")).to_arrow_table())
    con.register("made", made)
    con.execute("CREATE OR REPLACE TABLE marts.comparison AS SELECT * FROM made")
    con.unregister("made")
    for name in ("comparison_group", "comparison_balance"):
        con.execute(f"CREATE OR REPLACE TABLE marts.{name} AS {statement(f'marts/{name}')}")
    groups = defaultdict(dict)
    for r in world.warehouse.mart("comparison_group"):
        groups[r["treatment_code"], r["outcome_code"]][r["comparison_group"]] = r["patient_count"]
    starts = starts_of(world)
    for row in made.to_pylist():
        counts = groups[row["treatment_code"], row["outcome_code"]]
        pairs = row["pairs"]
        assert counts["matched"] == len({p["starter_id"] for p in pairs}) == len(pairs)
        assert counts["still_taking"] == sum(p["is_still_taking"] for p in pairs)
        assert counts["controls"] == len({p["control_id"] for p in pairs})
        assert counts["started_later"] == len({p["control_id"] for p in pairs if p["has_crossed_over"]})
        in_window = [
            m for (_, t), m in starts.items() if t == row["treatment_code"] and m is not None and m > LAST - 36
        ]
        assert counts["started"] == len(in_window)
        assert counts["started"] >= counts["eligible"] >= counts["followed"] >= counts["matched"]


def test_thirds_of_the_active_and_who_blames_inactivity(world):
    window = AS_OF_ON - timedelta(days=364)
    minutes = defaultdict(dict)
    for week in world.weeks:
        thursday = week["week_starting_on"] + timedelta(days=3)
        if week["active_minutes"] is not None and window <= thursday <= AS_OF_ON and week["name"] in world.counted:
            kept = minutes[week["name"]].get(week["week_starting_on"])
            minutes[week["name"]][week["week_starting_on"]] = winner([week, *([kept] if kept else [])])
    status = {
        str(r["patient_id"]): r
        for r in world.warehouse.mart("symptom_status")
        if r["symptom_code"] == "muscle_weakness" and r["severity"] > 0
    }
    weak = sorted(
        (sum(w["active_minutes"] for w in weeks.values()) / len(weeks), as_uuid(name))
        for name, weeks in minutes.items()
        if as_uuid(name) in status
    )
    size, extra = divmod(len(weak), 3)
    sizes = [size + (k < extra) for k in range(3)]
    found = {(r["activity_third"], r["cause_group"]): r["patient_count"] for r in world.warehouse.mart("loop_third")}
    first = 0
    for third, count in zip(("low", "middle", "high"), sizes, strict=True):
        members = [status[key]["perceived_cause"] for _, key in weak[first : first + count]]
        first += count
        if count:
            assert found[third, "weak"] == count
            assert found[third, "blames_inactivity"] == sum(c in ("indirect_deconditioning", "both") for c in members)
    assert found.get(("any", "weak"), 0) == len(weak)
