"""The marts on who reports, symptoms, weakness, daily life and falls against slow, obvious Python, on small random warehouses."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import modes
import pytest
from test_marts_against_oracle import newest
from warehouse_records import AS_OF_AT, Warehouse

AS_OF_ON = AS_OF_AT.date()
FROM_ON = AS_OF_ON - timedelta(days=364)
GROUPS = ["nrspms", "spms_relapsing", "primary", "relapsing", "not_known"]
COURSES = {g: {g} for g in GROUPS} | {"other_courses": {"spms_relapsing", "primary", "relapsing"}}
DMTS = {"ocrelizumab": "anti_cd20", "siponimod": "s1p", "rituximab": "anti_cd20"}
REASONS = ["fatigue", "pain", "weakness", "fear_of_falling", "access", "other"]
SEVERITIES = {"reporting": {0, 1, 2, 3}, "none": {0}, "mild": {1}, "any": {1, 2, 3}, "moderate_or_severe": {2, 3}}


class World:
    """The same records as Python lists and as a warehouse. Every report has its patient's name and a rank of newness."""

    def __init__(self, seed: int, warehouse: Warehouse) -> None:
        self.random = random.Random(seed)
        self.warehouse = warehouse
        self.patients: dict[str, dict] = {}
        self.records: dict[str, list[dict]] = defaultdict(list)
        for number in range(self.random.randrange(1, 40)):
            self._patient(f"p{number}")

    def _add(self, table: str, name: str, **values) -> None:
        row = {"row_hash": self.random.randrange(10**9), "source_updated_at": None} | values
        self.records[table].append({"name": name, **row})
        self.warehouse.add(table, name, **row)

    def _day(self) -> date:
        days = self.random.choice([-1, 0, 0, 0, 5, 40, 89, 90, 91, 130, 364, 365, 400, 800, 1200])
        return AS_OF_ON - timedelta(days=days)

    def _patient(self, name: str) -> None:
        choice, chance = self.random.choice, self.random.random
        enrolled = choice(
            [None, FROM_ON - timedelta(days=50), FROM_ON + timedelta(days=30), AS_OF_ON + timedelta(days=3)]
        )
        patient = {
            "condition_code": choice(["ms", "ms", "ms", "other"]),
            "sex": choice(["female", "male", "other", None]),
            "birth_year": choice([1940, 1968, 1975, 1976, 1990, None]),
            "ms_course": choice(["rrms", "cis", "spms", "spms", "spms", "ppms", "prms", "unspecified", None]),
            "is_relapse_free_24_months": choice([True, False, None]),
            "ambulation": choice(["unaided", "one_aid", "wheelchair", "bed", "unknown", None]),
            "symptom_onset_year": choice([2025, 2021, 2020, 2015, 2005, 1995, 2026, None]),
            "diagnosis_year": choice([2020, 2016, None]),
            "progression_started_on": choice([date(2019, 5, 1), date(2012, 1, 1), None]),
            "enrolled_on": enrolled,
            "last_active_on": choice([None, AS_OF_ON - timedelta(days=20)]),
        }
        consented = chance() < 0.85
        self.warehouse.patient(name, consented=consented, **{k: v for k, v in patient.items() if v is not None})
        self.patients[name] = patient | {"counted": consented and patient["condition_code"] == "ms"}
        for _ in range(self.random.randrange(10)):
            self._add(
                "symptom_report",
                name,
                symptom_code=choice(
                    ["muscle_weakness", "muscle_weakness", "leg_weakness", "fatigue", "posture", "bowel", "x:y"]
                ),
                body_region=choice(["legs", "torso", None]),
                severity=self.random.randrange(4),
                reported_on=self._day(),
                perceived_cause=choice(["direct_nerve", "indirect_deconditioning", None]),
                is_worse_with_heat=choice([True, False, None]),
                is_worse_after_exertion=choice([True, False, None]),
            )
        for _ in range(self.random.randrange(4)):
            self._add(
                "activity_limitation",
                name,
                activity_code=choice(["walking", "dressing", "driving", "x:y"]),
                difficulty=self.random.randrange(5),
                help=choice(["none", "device", "person", None]),
                reported_on=self._day(),
            )
        for _ in range(self.random.randrange(4)):
            begun = self._day() - timedelta(days=choice([0, 10, 30]))
            falls = choice([0, 0, 1, 2, 7])
            self._add(
                "fall_report",
                name,
                period_started_on=begun,
                period_ended_on=begun + timedelta(days=choice([0, 29, 29])),
                fall_count=falls,
                injurious_fall_count=choice([None, 0, falls]),
            )
        for _ in range(self.random.randrange(3)):
            self._add(
                "weekly_activity",
                name,
                week_starting_on=AS_OF_ON - timedelta(days=choice([5, 6, 13, 360, 364, 365])),
                active_minutes=choice([None, 0, 90, 200]),
                pacing=choice([None, "never", "always"]),
                inactivity_reasons=choice([None, [], ["fatigue"], ["fatigue", "pain"]]),
            )
        for _ in range(self.random.randrange(3)):
            self._add(
                "relapse", name, started_on=self._day(), started_on_precision=choice(["day", "month", "year", None])
            )
        for _ in range(self.random.randrange(3)):
            self._add(
                "treatment_episode",
                name,
                treatment_code=choice([*DMTS, "baclofen"]),
                started_on=choice([None, date(2020, 1, 1), AS_OF_ON + timedelta(days=1)]),
                stopped_on=choice([None, None, date(2024, 1, 1), AS_OF_ON + timedelta(days=1)]),
                status=choice(["current", "current", "stopped", "unknown"]),
            )
        for _ in range(self.random.randrange(2)):
            self._add(
                "outcome_assessment",
                name,
                instrument_code=choice(["fss", "x:y"]),
                assessed_on=self._day(),
                mode=choice(["web", "paper", "proxy", None]),
            )

    @property
    def counted(self) -> list[str]:
        return [name for name, patient in self.patients.items() if patient["counted"]]

    def of(self, table: str, keep: Callable[[dict], bool]) -> dict[str, list[dict]]:
        """The counted patients' records of a table, by patient."""
        found = defaultdict(list)
        for record in self.records[table]:
            if self.patients[record["name"]]["counted"] and keep(record):
                found[record["name"]].append(record)
        return found


# Of 178 faults planted in these marts that any of the 25 shows, 16 and 6 show all; 1 has few patients, 12 and 24 show most.
@pytest.fixture(scope="module", params=modes.share((1, 6, 12, 16, 24), range(25)))
def world(request, new_warehouse) -> Iterator[World]:
    with new_warehouse() as con:
        made = World(request.param, Warehouse(con))
        made.warehouse.build()
        yield made


def group_of(p: dict) -> str:
    if p["ms_course"] == "spms":
        return {True: "nrspms", False: "spms_relapsing", None: "not_known"}[p["is_relapse_free_24_months"]]
    return {"rrms": "relapsing", "cis": "relapsing", "ppms": "primary", "prms": "primary"}.get(
        p["ms_course"], "not_known"
    )


def band_of(years: int | None) -> str:
    if years is None or years < 0:
        return "unknown"
    return next((band for most, band in ((4, "0-4"), (9, "5-9"), (19, "10-19"), (29, "20-29")) if years <= most), "30+")


def worst_of_last_day(reports: list[dict]) -> tuple[int, list[dict]]:
    """Of each part of the body the newest report of the latest day: the worst severity, and these reports."""
    last = max(r["reported_on"] for r in reports)
    kept = defaultdict(list)
    for r in reports:
        if r["reported_on"] == last:
            region = "legs" if r["symptom_code"] == "leg_weakness" else r["body_region"] or "unknown"
            kept[region].append(r)
    chosen = [max(group, key=lambda r: r["row_hash"]) for group in kept.values()]
    return max(r["severity"] for r in chosen), chosen


def status_at(world: World, day: date) -> dict[tuple[str, str], tuple[int, list[dict]]]:
    """(patient, symptom) -> severity and the reports it stands on, of the 365 days to a day."""
    grouped = defaultdict(list)
    for name, reports in world.of(
        "symptom_report",
        lambda r: day - timedelta(days=364) <= r["reported_on"] <= day and ":" not in r["symptom_code"],
    ).items():
        for r in reports:
            grouped[name, "muscle_weakness" if r["symptom_code"] == "leg_weakness" else r["symptom_code"]].append(r)
    return {key: worst_of_last_day(reports) for key, reports in grouped.items()}


def severity_of(world: World, symptom: str) -> dict[str, int]:
    return {name: severity for (name, s), (severity, _) in status_at(world, AS_OF_ON).items() if s == symptom}


def falls_of(world: World) -> dict[str, dict]:
    """Falls and days per patient: of one period the newest, and none that overlaps one which began earlier."""
    found = {}
    inside = world.of("fall_report", lambda r: r["period_started_on"] >= FROM_ON and r["period_ended_on"] <= AS_OF_ON)
    for name, reports in inside.items():
        periods = {}
        for r in sorted(reports, key=lambda r: r["row_hash"]):
            periods[r["period_started_on"], r["period_ended_on"]] = r
        total, ended = defaultdict(int), date(1, 1, 1)
        for start, end in sorted(periods):
            r = periods[start, end]
            if start > ended:
                days = (end - start).days + 1
                total["days"] += days
                total["falls"] += r["fall_count"]
                if r["injurious_fall_count"] is not None:
                    total["injurious_days"] += days
                    total["injurious"] += r["injurious_fall_count"]
            ended = max(ended, end)
        found[name] = total
    return found


def activities_of(world: World) -> dict[tuple[str, str], dict]:
    grouped = defaultdict(list)
    inside = world.of("activity_limitation", lambda r: FROM_ON <= r["reported_on"] <= AS_OF_ON)
    for name, reports in inside.items():
        for r in reports:
            if ":" not in r["activity_code"]:
                grouped[name, r["activity_code"]].append(r)
    return {key: newest(reports, "reported_on") for key, reports in grouped.items()}


def weeks_of(world: World) -> dict[str, list[dict]]:
    """Newest version of each week, oldest week first."""
    last = AS_OF_ON - timedelta(days=6)
    found = {}
    for name, reports in world.of("weekly_activity", lambda r: FROM_ON <= r["week_starting_on"] <= last).items():
        weeks = {}
        for r in sorted(reports, key=lambda r: r["row_hash"]):
            weeks[r["week_starting_on"]] = r
        found[name] = [weeks[day] for day in sorted(weeks)]
    return found


def nonzero(rows, *names: str) -> dict:
    return {tuple(r[n] for n in names): r["patient_count"] for r in rows if r["patient_count"]}


def tally(keys) -> dict:
    counted: dict = defaultdict(int)
    for key in keys:
        counted[key] += 1
    return dict(counted)


# --- who reports ---


def test_population_profile(world):
    keys = []
    for name in world.counted:
        p = world.patients[name]
        keys += [("course", course) for course, groups in COURSES.items() if group_of(p) in groups]
        keys.append(("ambulation", p["ambulation"] or "unknown"))
        if p["ambulation"] in ("wheelchair", "bed"):
            keys.append(("ambulation", "wheelchair_or_bed"))
        keys.append(("years_since_onset", band_of(p["symptom_onset_year"] and 2025 - p["symptom_onset_year"])))
        keys.append(("years_since_diagnosis", band_of(p["diagnosis_year"] and 2025 - p["diagnosis_year"])))
        if p["ms_course"] == "spms":
            began = p["progression_started_on"]
            keys.append(("years_since_progression", band_of(began and 2025 - began.year)))
        taken = [
            e
            for e in world.records["treatment_episode"]
            if e["name"] == name and e["treatment_code"] in DMTS and (e["started_on"] or AS_OF_ON) <= AS_OF_ON
        ]
        stopped = [e for e in taken if e["status"] == "stopped" or (e["stopped_on"] and e["stopped_on"] <= AS_OF_ON)]
        current = [e for e in taken if e not in stopped and e["status"] == "current"]
        unknown = [e for e in taken if e not in stopped and e["status"] == "unknown"]
        status = "current" if current else "not_known" if unknown else "past" if taken else "none_reported"
        keys.append(("dmt_status", status))
        classes = {DMTS[e["treatment_code"]] for e in current}
        if classes:
            keys.append(("dmt_class", classes.pop() if len(classes) == 1 else "several"))
    assert nonzero(world.warehouse.mart("population_profile"), "dimension", "value") == tally(keys)


def test_ambulation_by_course(world):
    keys = [
        (course, "wheelchair_or_bed" if p["ambulation"] in ("wheelchair", "bed") else p["ambulation"] or "unknown")
        for p in map(world.patients.get, world.counted)
        for course in ("nrspms", "other_courses", "not_known")
        if group_of(p) in COURSES[course]
    ]
    assert nonzero(world.warehouse.mart("ambulation_by_course"), "course", "ambulation") == tally(keys)


def assessed(world: World) -> dict[str, list[dict]]:
    return world.of(
        "outcome_assessment", lambda r: r["instrument_code"] == "fss" and FROM_ON <= r["assessed_on"] <= AS_OF_ON
    )


def who_reported(world: World) -> dict[str, set[str]]:
    status = status_at(world, AS_OF_ON)
    found = {
        "muscle_weakness": {name for name, symptom in status if symptom == "muscle_weakness"},
        "fatigue": {name for name, symptom in status if symptom == "fatigue"},
        "falls": set(falls_of(world)),
        "week": set(weeks_of(world)),
        "assessment": set(assessed(world)),
    }
    found["any"] = set().union(*found.values(), {n for n, _ in status}, {n for n, _ in activities_of(world)})
    return found


def test_participation_and_response(world):
    reported = who_reported(world)
    assert nonzero(world.warehouse.mart("participation"), "reported") == {
        (kind,): len(names) for kind, names in reported.items() if names
    }
    by_sex = tally(("sex", world.patients[name]["sex"] or "unknown") for name in reported["any"])
    by_course = tally(("ms_course", world.patients[name]["ms_course"] or "unknown") for name in reported["any"])
    found = nonzero(world.warehouse.mart("response"), "dimension", "value")
    assert {key: n for key, n in found.items() if key[0] != "age_band"} == by_sex | by_course
    rows = world.warehouse.mart("response")
    assert sum(r["denominator_count"] for r in rows if r["dimension"] == "age_band") == len(world.counted)


def test_assessment_mode(world):
    given = [newest(reports, "assessed_on")["mode"] or "unknown" for reports in assessed(world).values()]
    assert nonzero(world.warehouse.mart("assessment_mode"), "mode") == tally((mode,) for mode in given)


def test_relapses(world):
    counts, years = [], 0.0
    for name in world.counted:
        p = world.patients[name]
        if group_of(p) != "relapsing":
            continue
        start, end = max(FROM_ON, p["enrolled_on"] or FROM_ON), min(AS_OF_ON, p["last_active_on"] or AS_OF_ON)
        if end < start:
            continue
        known = [r for r in world.records["relapse"] if r["name"] == name and r["started_on_precision"] != "year"]
        days = sorted(
            r["started_on"] + timedelta(days=14 if r["started_on_precision"] == "month" else 0) for r in known
        )
        begun = [d for i, d in enumerate(days) if i == 0 or (d - days[i - 1]).days >= 30]
        counts.append(sum(start <= d <= end for d in begun))
        years += ((end - start).days + 1) / 365.25
    rows = {r["relapse_group"]: r for r in world.warehouse.mart("relapse_rate")}
    assert {group: r["patient_count"] for group, r in rows.items()} == {
        "observed": len(counts),
        "none": counts.count(0),
        "once": counts.count(1),
        "twice_or_more": sum(n >= 2 for n in counts),
        "any": sum(n >= 1 for n in counts),
    }
    if counts:
        assert rows["observed"]["rate"] == pytest.approx(sum(counts) / years)
        assert rows["observed"]["patient_years"] == pytest.approx(years)


# --- symptoms ---


def test_symptom_by_region(world):
    latest = defaultdict(list)
    for name, reports in world.of("symptom_report", lambda r: FROM_ON <= r["reported_on"] <= AS_OF_ON).items():
        for r in reports:
            if ":" not in r["symptom_code"]:
                is_leg = r["symptom_code"] == "leg_weakness"
                region = "legs" if is_leg else r["body_region"] or "unknown"
                latest[name, "muscle_weakness" if is_leg else r["symptom_code"], region].append(r)
    felt = [key[1:] for key, reports in latest.items() if newest(reports, "reported_on")["severity"] > 0]
    assert nonzero(world.warehouse.mart("symptom_by_region"), "symptom_code", "body_region") == tally(felt)


def test_symptom_by_quarter(world):
    expected = {}
    for start, end in (
        (date(y, 3 * q - 2, 1), date(y + q // 4, 3 * q % 12 + 1, 1) - timedelta(days=1))
        for y in (2023, 2024, 2025)
        for q in (1, 2, 3, 4)
    ):
        if not date(2023, 7, 1) <= start <= date(2025, 4, 1):
            continue
        quarter = f"{start.year}-Q{start.month // 3 + 1}"
        for (_, symptom), (severity, _) in status_at(world, end).items():
            for group in ("reporting", *(["moderate_or_severe"] if severity >= 2 else [])):
                expected[symptom, quarter, group] = expected.get((symptom, quarter, group), 0) + 1
    found = nonzero(world.warehouse.mart("symptom_by_quarter"), "symptom_code", "quarter", "severity_group")
    assert found == expected


def test_symptom_pairs_stand_under_both_symptoms(world):
    felt = defaultdict(set)
    for (name, symptom), (severity, _) in status_at(world, AS_OF_ON).items():
        if severity and symptom != "muscle_weakness":
            felt[symptom].add(name)
    together = {(a, b): len(felt[a] & felt[b]) for a in felt for b in felt if a != b and felt[a] & felt[b]}
    rows = nonzero(world.warehouse.mart("symptom_pair"), "symptom_code", "co_symptom_code")
    # Of three symptoms there are at most two others, so that every pair is among the first three.
    assert rows == together


def test_of_many_pairs_the_three_most_frequent_of_each_symptom_are_kept(warehouse):
    partners = {"a1": "pain", "a2": "pain", "a3": "bowel", "b1": "posture", "c1": "tremor", "d1": "cramps"}
    for name, partner in partners.items():
        warehouse.patient(name)
        for symptom in ("fatigue", partner):
            warehouse.add("symptom_report", name, symptom_code=symptom, severity=1, reported_on=AS_OF_ON)
    warehouse.build()
    pairs = {(r["symptom_code"], r["co_symptom_code"]): r["position"] for r in warehouse.mart("symptom_pair")}
    assert [pairs["fatigue", b] for b in ("pain", "bowel", "cramps", "posture", "tremor")] == [1, 2, 3, 4, 5]
    assert pairs["tremor", "fatigue"] == 1


def test_symptom_cause_and_triggers(world):
    causes, triggers = [], []
    named = set()
    for (_, symptom), (severity, reports) in status_at(world, AS_OF_ON).items():
        if severity == 0:
            continue
        present = [r for r in reports if r["severity"] > 0]
        blamed = {r["perceived_cause"] for r in present}
        direct, indirect = "direct_nerve" in blamed, "indirect_deconditioning" in blamed
        cause = (
            "both"
            if direct and indirect
            else "direct_nerve"
            if direct
            else "indirect_deconditioning"
            if indirect
            else "unknown"
        )
        if symptom != "muscle_weakness":
            causes.append((symptom, cause))
            named |= {symptom} if cause != "unknown" else set()
        for trigger, column in (("heat", "is_worse_with_heat"), ("exertion", "is_worse_after_exertion")):
            answers = [r[column] for r in present if r[column] is not None]
            triggers += [(symptom, trigger, "answered")] if answers else []
            triggers += [(symptom, trigger, "worse")] if any(answers) else []
    found = nonzero(world.warehouse.mart("symptom_by_cause"), "symptom_code", "perceived_cause")
    assert found == tally(key for key in causes if key[0] in named)
    assert nonzero(world.warehouse.mart("symptom_trigger"), "symptom_code", "trigger", "answer") == tally(triggers)


# --- weakness ---


def test_severity_by_course(world):
    keys = [
        (symptom, course, group)
        for symptom in ("muscle_weakness", "fatigue")
        for name, severity in severity_of(world, symptom).items()
        for course, groups in COURSES.items()
        if group_of(world.patients[name]) in groups
        for group, members in SEVERITIES.items()
        if severity in members
    ]
    found = nonzero(world.warehouse.mart("severity_by_course"), "symptom_code", "course", "severity_group")
    assert found == tally(keys)


def test_standardised_share(world):
    expected = {}
    for symptom in ("muscle_weakness", "fatigue"):
        strata = defaultdict(list)
        for name, severity in severity_of(world, symptom).items():
            p = world.patients[name]
            if p["birth_year"] is None or p["sex"] not in ("female", "male"):
                continue
            age = 2025 - p["birth_year"]
            stratum = ("under 50" if age < 50 else "50-59" if age < 60 else "60+", p["sex"])
            for course in ("nrspms", "other_courses"):
                if group_of(p) in COURSES[course]:
                    strata[stratum, course].append(severity)
        used = {stratum for stratum, _ in strata}
        everyone = sum(len(members) for members in strata.values())
        for course in {course for _, course in strata}:
            for group, lowest in (("any", 1), ("moderate_or_severe", 2)):
                if any((s, c) not in strata for s in used for c in ("nrspms", "other_courses")):
                    expected[symptom, course, group] = None
                    continue
                share = effective = 0.0
                for stratum in used:
                    weight = sum(len(strata[stratum, c]) for c in ("nrspms", "other_courses")) / everyone
                    members = strata[stratum, course]
                    share += weight * sum(s >= lowest for s in members) / len(members)
                    effective += weight**2 / len(members)
                expected[symptom, course, group] = (share, 1 / effective)
    rows = {
        (r["symptom_code"], r["course"], r["severity_group"]): r for r in world.warehouse.mart("standardised_share")
    }
    assert set(rows) == set(expected)
    for key, values in expected.items():
        if values is None:
            assert rows[key]["share_ratio"] is None and rows[key]["low_ratio"] is None
        else:
            share, n = values
            z2 = 1.959963984540054**2
            centre = (share + z2 / 2 / n) / (1 + z2 / n)
            half = math.sqrt(z2) * math.sqrt(max(0.0, share * (1 - share)) / n + z2 / 4 / n**2) / (1 + z2 / n)
            found = [rows[key][name] for name in ("share_ratio", "low_ratio", "high_ratio")]
            assert found == pytest.approx([share, max(0.0, centre - half), min(1.0, centre + half)], abs=1e-9)


def test_beside_weakness(world):
    weakness = severity_of(world, "muscle_weakness")
    outcomes = [("symptom", s, name, severity > 0) for (name, s), (severity, _) in status_at(world, AS_OF_ON).items()]
    outcomes += [("falls", "falls", name, total["falls"] > 0) for name, total in falls_of(world).items()]
    outcomes += [("activity", a, name, r["difficulty"] >= 2) for (name, a), r in activities_of(world).items()]
    listed = {("symptom", "fatigue"), ("symptom", "posture"), ("symptom", "bowel"), ("falls", "falls")}
    listed |= {("activity", "walking"), ("activity", "dressing")}
    asked, having = defaultdict(int), defaultdict(int)
    for kind, beside, name, has_it in outcomes:
        if (kind, beside) in listed and weakness:
            severity = weakness.get(name)
            group = "not_reported" if severity is None else "moderate_or_severe" if severity >= 2 else "none_or_mild"
            asked[kind, beside, group] += 1
            having[kind, beside, group] += has_it
    rows = world.warehouse.mart("beside_weakness")
    found = {(r["kind"], r["beside"], r["weakness_group"]): (r["asked_count"], r["with_count"]) for r in rows}
    assert {key: counts for key, counts in found.items() if counts[0]} == {
        key: (n, having[key]) for key, n in asked.items()
    }


def test_weakness_by_completeness(world):
    months = {
        name: len({(r["reported_on"].year, r["reported_on"].month) for r in reports})
        for name, reports in world.of(
            "symptom_report", lambda r: FROM_ON <= r["reported_on"] <= AS_OF_ON and ":" not in r["symptom_code"]
        ).items()
    }
    keys = []
    for name, severity in severity_of(world, "muscle_weakness").items():
        n = months[name]
        band = "1-3" if n <= 3 else "4-6" if n <= 6 else "7-9" if n <= 9 else "10 or more"
        keys += [(band, "reporting"), *([(band, "moderate_or_severe")] if severity >= 2 else [])]
    found = nonzero(world.warehouse.mart("weakness_by_completeness"), "reported_months", "severity_group")
    assert found == tally(keys)


# --- daily life ---


def test_activities(world):
    groups = {"reporting": range(5), "none": [0], "a_little": [1], "some": [2], "a_lot": [3], "cannot_do": [4]}
    groups["some_or_more"] = [2, 3, 4]
    latest = activities_of(world)
    keys = [(a, g) for (_, a), r in latest.items() for g, members in groups.items() if r["difficulty"] in members]
    assert nonzero(world.warehouse.mart("activity_difficulty"), "activity_code", "difficulty_group") == tally(keys)
    keys = [(a, r["help"] or "unknown") for (_, a), r in latest.items()]
    assert nonzero(world.warehouse.mart("activity_help"), "activity_code", "help") == tally(keys)


def test_falls_by_course(world):
    keys = []
    for name, total in falls_of(world).items():
        courses = ["all", *(c for c, groups in COURSES.items() if group_of(world.patients[name]) in groups)]
        groups = ["reporting", "none" if total["falls"] == 0 else "any"]
        groups += ["once"] if total["falls"] == 1 else ["twice_or_more"] if total["falls"] > 1 else []
        groups += ["injurious"] if total["injurious"] > 0 else []
        keys += [(course, group) for course in courses for group in groups]
    assert nonzero(world.warehouse.mart("falls_by_course"), "course", "fall_group") == tally(keys)


def test_fall_rates(world):
    totals = falls_of(world)
    rows = {(r["course"], r["fall_kind"]): r for r in world.warehouse.mart("fall_rate")}
    for course, groups in (COURSES | {"all": set(GROUPS)}).items():
        members = [t for name, t in totals.items() if group_of(world.patients[name]) in groups]
        years = sum(t["days"] for t in members) / 365.25
        if not members:
            assert (course, "falls") not in rows
            continue
        row = rows[course, "falls"]
        assert (row["patient_count"], row["event_count"]) == (len(members), sum(t["falls"] for t in members))
        assert row["patient_years"] == pytest.approx(years)
        assert row["rate"] == pytest.approx(row["event_count"] / years)
        injured = [t for t in members if t["injurious_days"]]
        if injured:
            row = rows[course, "injurious_falls"]
            assert row["rate"] == pytest.approx(
                sum(t["injurious"] for t in injured) / (sum(t["injurious_days"] for t in injured) / 365.25)
            )


def test_weeks(world):
    weeks = weeks_of(world)
    last = {name: rows[-1] for name, rows in weeks.items()}
    assert nonzero(world.warehouse.mart("pacing"), "pacing") == tally(
        (w["pacing"] or "unknown",) for w in last.values()
    )
    named = [w["inactivity_reasons"] for w in last.values() if w["inactivity_reasons"]]
    expected = tally((reason,) for reasons in named for reason in ["named", *reasons])
    assert nonzero(world.warehouse.mart("inactivity_reason"), "reason") == expected
    means = []
    for rows in weeks.values():
        given = [w["active_minutes"] for w in rows if w["active_minutes"] is not None]
        means += [sum(given) / len(given)] if given else []
    (row,) = world.warehouse.mart("active_minutes")
    assert row["patient_count"] == len(means)
    assert row["mean_minutes"] == (pytest.approx(sum(means) / len(means)) if means else None)
