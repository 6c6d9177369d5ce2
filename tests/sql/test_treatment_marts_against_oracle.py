"""Use, stops, side effects, burden, cost, strategies and shrunk ratings against slow, obvious Python on random warehouses."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
from scipy import stats
from warehouse_records import AS_OF_AT, Warehouse

AS_OF_ON = AS_OF_AT.date()
CATEGORIES = {"baclofen": "medication", "dalfampridine": "medication", "yoga": "exercise", "cane": "assistive_device"}
REASONS = ["side_effects", "not_working", "cost", "unknown"]
CODES = ["dizziness", "nausea", "canonical:odd"]
LEVELS = ["major", "moderate", "slight", "none", "cant_tell"]
ANSWERS = {
    "side_effect_severity": ["none", "mild", "moderate", "severe"],
    "adherence": ["always", "usually", "sometimes", "never", "unknown"],
    "burden": ["none", "a_little", "somewhat", "very", "unknown"],
    "monthly_cost_band": ["lt25", "25_49", "50_99", "100_199", "ge200", "unknown"],
}
EARLY = datetime(1, 1, 1, tzinfo=UTC)


class World:
    """One span of each treatment a patient took, so that courses are spans, and what was said of it."""

    def __init__(self, seed: int, warehouse: Warehouse, crowd: int) -> None:
        g = random.Random(seed)
        self.warehouse = warehouse
        self.spans: list[dict] = []
        self.evaluations: list[dict] = []
        for number in range(crowd):
            name, source = f"p{number}", g.choice(["canonical", "canonical", "canonical", "druglib"])
            is_counted = g.random() < 0.9
            warehouse.patient(name, source=source, consented=is_counted)
            for treatment in CATEGORIES:
                if g.random() < 0.7:
                    self._span(g, name, source, treatment, is_counted)

    def _span(self, g: random.Random, name: str, source: str, treatment: str, is_counted: bool) -> None:
        start = g.choice([None, date(2025, 1, 1), date(2024, 1, 1)])
        status = g.choice(["current", "stopped", "unknown"])
        span = {
            "started_on": start,
            "status": status,
            "last_confirmed_on": AS_OF_ON - timedelta(days=g.choice([0, 180, 181])),
            "stop_reasons": g.choice([[], g.sample(REASONS, g.randrange(1, 4))]) if status == "stopped" else [],
            "purpose_codes": g.choice([["fatigue"], ["fatigue", "pain"]]),
        }
        record = self.warehouse.add(
            "treatment_episode", name, source, treatment_code=treatment, **{k: v for k, v in span.items() if v}
        )
        key = ("druglib" if source == "druglib" else "native", treatment, name)
        if is_counted:
            self.spans.append({"key": key, **span})
        for _ in range(g.randrange(3)):
            given = {aspect: g.choice([None, *answers]) for aspect, answers in ANSWERS.items()}
            given |= {
                "effectiveness": g.choice([None, *LEVELS, *LEVELS]),
                "purpose_code": g.choice(["fatigue"] * 6 + ["pain"]),
                "currency_code": g.choice(["USD", "EUR", None]),
                "side_effect_codes": g.sample(CODES, g.randrange(3)),
                "evaluated_on": g.choice([None, AS_OF_ON, AS_OF_ON + timedelta(days=1), date(2025, 1, 1)]),
                "source_updated_at": g.choice([None, datetime(2025, 6, 1, g.randrange(3), tzinfo=UTC)]),
                "row_hash": g.randrange(10**9),
            }
            self.warehouse.add(
                "treatment_evaluation",
                name,
                source,
                episode=record,
                **{k: v for k, v in given.items() if v is not None},
            )
            if is_counted and (given["evaluated_on"] is None or given["evaluated_on"] <= AS_OF_ON):
                self.evaluations.append({"key": key, **given})

    def latest(self, aspect: str) -> dict:
        """(family, treatment, name) -> the evaluation with the latest answer."""
        found = defaultdict(list)
        for given in self.evaluations:
            is_said = given[aspect] not in (None, "unknown") and (
                aspect != "monthly_cost_band" or given["currency_code"]
            )
            if is_said:
                found[given["key"]].append(given)
        return {key: max(rows, key=_recency) for key, rows in found.items()}

    def ratings(self) -> dict:
        """(family, treatment, name, purpose) -> the latest rating."""
        found = defaultdict(list)
        for given in self.evaluations:
            if given["effectiveness"]:
                found[*given["key"], given["purpose_code"]].append(given)
        return {key: max(rows, key=_recency) for key, rows in found.items()}


def _recency(given: dict) -> tuple:
    return given["evaluated_on"] or date.min, given["source_updated_at"] or EARLY, given["row_hash"]


@pytest.fixture(scope="module", params=[(1, 4), (2, 25), (3, 80), (4, 120)], ids=str)
def world(request, new_warehouse):
    with new_warehouse() as con:
        made = World(request.param[0], Warehouse(con), request.param[1])
        made.warehouse.build()
        yield made


def counts(world: World, mart: str, *keys: str) -> Counter:
    found = Counter({tuple(row[key] for key in keys): row["patient_count"] for row in world.warehouse.mart(mart)})
    return +found  # without zeros


def test_use(world):
    expected = Counter()
    for span in world.spans:
        key = span["key"][:2]
        expected[*key, span["status"]] += 1
        if span["status"] == "current":
            is_late = span["last_confirmed_on"] >= AS_OF_ON - timedelta(days=180)
            expected[*key, "confirmed" if is_late else "not_confirmed"] += 1
    assert counts(world, "treatment_in_use", "source_family", "treatment_code", "use_group") == expected


def test_stop_reasons(world):
    expected = Counter()
    for span in world.spans:
        if span["status"] == "stopped":
            reasons = set(span["stop_reasons"]) - {"unknown"}
            for reason in reasons | {"given" if reasons else "not_given"}:
                expected[*span["key"][:2], reason] += 1
    assert counts(world, "treatment_stop_reason", "source_family", "treatment_code", "reason") == expected


def test_answers_and_side_effects(world):
    expected, named = Counter(), Counter()
    for aspect in ANSWERS:
        for (family, treatment, _), given in world.latest(aspect).items():
            currency = given["currency_code"] if aspect == "monthly_cost_band" else None
            stem = (family, treatment, aspect, currency)
            expected[*stem, "answered"] += 1
            expected[*stem, given[aspect]] += 1
            if aspect == "side_effect_severity" and given[aspect] != "none":
                expected[*stem, "any"] += 1
                for code in set(given["side_effect_codes"]):
                    if ":" not in code:
                        named[family, treatment, code] += 1
    keys = ("source_family", "treatment_code", "aspect", "currency_code", "answer")
    assert counts(world, "treatment_answer", *keys) == expected
    assert counts(world, "treatment_side_effect", "source_family", "treatment_code", "side_effect_code") == named


def test_strategies(world):
    expected, uses, rated = Counter(), defaultdict(set), defaultdict(list)
    for span in world.spans:
        family, treatment, name = span["key"]
        uses[family, CATEGORIES[treatment], name].add(span["status"])
    for (family, treatment, name, purpose), given in world.ratings().items():
        # Of two of one day the treatment, then the purpose, that comes first in the alphabet.
        rank = (-(given["evaluated_on"] or date.min).toordinal(), treatment, purpose)
        rated[family, CATEGORIES[treatment], name].append((rank, given["effectiveness"]))
    for (family, strategy, name), statuses in uses.items():
        key = (family, strategy)
        groups = ["takers", next(s for s in ("current", "stopped", "unknown") if s in statuses)]
        if (family, strategy, name) in rated:
            level = min(rated[family, strategy, name])[1]
            groups += ["rated", "cant_tell" if level == "cant_tell" else "level_given"]
            groups += ["major_or_moderate"] if level in ("major", "moderate") else []
        for group in groups:
            expected[*key, group] += 1
    assert counts(world, "treatment_strategy", "source_family", "strategy", "strategy_group") == expected


def test_shrunk_shares(world):
    """Prior of weight ten from the treatments of which nothing is too small; nothing shrunk where there are none."""
    arms = defaultdict(Counter)
    for span in world.spans:
        family, treatment, name = span["key"]
        purposes = set(span["purpose_codes"]) | {
            e["purpose_code"] for e in world.evaluations if e["key"] == span["key"]
        }
        for purpose in purposes:
            arms[family, purpose, treatment]["takers"] += 1
    for (family, treatment, _, purpose), given in world.ratings().items():
        arms[family, purpose, treatment][given["effectiveness"]] += 1
    expected = {}
    for family, purpose in {key[:2] for key in arms}:
        here = {treatment: arm for (f, p, treatment), arm in arms.items() if (f, p) == (family, purpose)}

        def summed(arm):
            rated = sum(arm[level] for level in LEVELS)
            return arm["major"] + arm["moderate"], rated - arm["cant_tell"], rated

        large = {}
        for treatment, arm in here.items():
            x, n, rated = summed(arm)
            parts = [arm[level] for level in LEVELS] + [arm["takers"] - rated]
            if x >= 11 and n - x >= 11 and not any(0 < part < 11 for part in parts):
                large[treatment] = (x, n, rated, arm)
        if not large:
            continue
        assert len(large) < 5
        usual = sum(x for x, *_ in large.values()) / sum(n for _, n, *_ in large.values())
        levelled = [arm for *_, arm in large.values() if min(arm[level] for level in LEVELS) >= 11]
        for treatment, arm in here.items():
            x, n, rated = summed(arm)
            if n:
                expected[family, treatment, purpose, "major_or_moderate"] = (x + 10 * usual, n - x + 10 * (1 - usual))
            total = sum(arm[level] for arm in levelled for level in LEVELS)
            for level in LEVELS:
                if total and rated:
                    share = sum(other[level] for other in levelled) / total
                    expected[family, treatment, purpose, level] = (
                        arm[level] + 10 * share,
                        rated - arm[level] + 10 * (1 - share),
                    )
    found = {
        (row["source_family"], row["treatment_code"], row["purpose_code"], row["rating_group"]): row
        for row in world.warehouse.mart("treatment_shrunk_share")
    }
    assert set(found) == set(expected)
    for key, (a, b) in expected.items():
        assert found[key]["shrunk_ratio"] == pytest.approx(a / (a + b))
        assert found[key]["low_ratio"] == pytest.approx(stats.beta(a, b).ppf(0.025))
        assert found[key]["high_ratio"] == pytest.approx(stats.beta(a, b).ppf(0.975))
