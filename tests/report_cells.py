"""Cells of a report as the marts would yield them, without marts: for tests of what becomes of them on pages."""

from dataclasses import replace
from datetime import UTC, date, datetime

import duckdb
import yaml

from flows.stages.cells import Cell, Statistic, decide
from flows.stages.frame import publishable
from flows.stages.release import Release
from schemas.topics import Topic, topics
from sql import statement, statements

AT = datetime(2025, 6, 30, tzinfo=UTC)
NOW = datetime(2025, 7, 2, 8, 30, tzinfo=UTC)


def connection() -> duckdb.DuckDBPyConnection:
    """An empty database with the macros that intervals are computed by."""
    opened = duckdb.connect(":memory:", config={"threads": "1"})
    opened.execute("SET TimeZone = 'UTC'")
    for path in statements("macros"):
        opened.execute(statement(path))
    return opened


def cell(key: str, count: int, whole: str | None, **given) -> Cell:
    values = {
        "topic": "symptoms", "table_id": "symptom_severity", "position": 1.0, "dimension_1": "symptom", "value_1": "fatigue",
        "dimension_2": None, "value_2": None, "patient_set": None, "part_of": (), "unit": "patients", "has_interval": True,
        "is_expendable": False, "mart": "symptom_prevalence",
    }  # fmt: skip
    return Cell(cell_key=key, denominator_key=whole, cell_count=count, **(values | given))


def members(count: int) -> list[Cell]:
    shape = {"topic": "who_reports", "table_id": "membership", "dimension_1": "member", "has_interval": False}
    steps = [("members", "members"), ("consented", "consented"), ("condition=ms", "reported_on")]
    return [cell(key, count, None, value_1=value, **shape) for key, value in steps]


def one_symptom(code: str, levels: dict[str, int], subject: bool = True) -> list[Cell]:
    """The severity of a symptom: how many reported on it, each level, and the two sums."""
    shape = {"value_1": code, "dimension_2": "severity"}
    if subject:
        shape |= {"subject_kind": "symptom", "subject": code}
    whole = f"{code} reporting"
    total = sum(levels.values())
    cells = [cell(whole, total, None, value_2="reporting", **(shape | {"has_interval": False}))]
    cells += [
        cell(f"{code} {level}", n, whole, value_2=level, part_of=((whole, "severity"),), **shape)
        for level, n in levels.items()
    ]
    worse = levels["moderate"] + levels["severe"]
    cells.append(cell(f"{code} any", total - levels["none"], whole, value_2="any", **shape))
    cells.append(cell(f"{code} worse", worse, whole, value_2="moderate_or_severe", **shape))
    return cells


def treatment(code: str, purpose: str, takers: int, levels: dict[str, int]) -> list[Cell]:
    """How a treatment is rated for a purpose, and how many have taken it."""
    rated = sum(levels.values())
    counts = {"takers": takers, "rated": rated, "major_or_moderate": levels.get("major", 0) + levels.get("moderate", 0)}
    counts |= {"level_given": rated - levels.get("cant_tell", 0)}
    counts |= {level: levels.get(level, 0) for level in ("major", "moderate", "slight", "none", "cant_tell")}
    name = f"{code} for {purpose}"
    shape = {
        "topic": "treatments", "table_id": "treatment_native", "subject_kind": "treatment", "subject": code, "dimension_2": "rating",
    }  # fmt: skip
    wholes = {"takers": None, "rated": "takers", "level_given": "rated", "major_or_moderate": "level_given"}
    taken = cell(
        f"{code} takers", takers, "condition=ms", dimension_1="treatment", value_1=code, value_2="takers", **shape
    )
    return [replace(taken, has_interval=False)] + [
        cell(
            f"{name} {group}", count, f"{name} {whole}" if (whole := wholes.get(group, "rated")) else None,
            dimension_1="treatment for purpose", value_1=name, value_2=group, **shape,
        )
        for group, count in counts.items()
    ]  # fmt: skip


def regions(of: int, counts: dict[str, tuple[int, int, int]]) -> list[Cell]:
    """Weakness by part of the body: mild, moderate and severe in each."""
    shape = {
        "topic": "weakness", "table_id": "weakness_by_region", "subject_kind": "symptom", "subject": "muscle_weakness",
        "dimension_1": "body_region", "dimension_2": "severity",
    }  # fmt: skip
    found = [cell("weakness", of, None, **(shape | {"table_id": "weak", "value_1": "all", "has_interval": False}))]
    for region, levels in counts.items():
        groups = dict(zip(("mild", "moderate", "severe"), levels, strict=True))
        groups |= {"any": sum(levels), "moderate_or_severe": sum(levels[1:])}
        found += [cell(f"{region} {g}", n, "weakness", value_1=region, value_2=g, **shape) for g, n in groups.items()]
    return found


def with_statistics(base: Cell, *figures: tuple[str, float | None, float | None, float | None, str]) -> Cell:
    return replace(
        base, statistics=tuple(Statistic(n, v, low, high, unit, "by hand") for n, v, low, high, unit in figures)
    )


COURSE = """
topic: change
title: Change around the start
lead: How scores change after a treatment begins, and how the severity of symptoms and the time on treatment go on.
position: 5
tables:
  - {id: change_after_start, title: 'Change of {subject} after the start', of_whom: 'Starters, {when}.', chart: estimates, statistic: mean_change, columns: [count, mean_change, score_sd], places: [topic, subject]}
  - {id: severity_by_quarter, title: '{subject}: moderate or severe, by quarter', of_whom: 'Patients who reported in the quarter.', chart: series, drawn: [], places: [topic, subject]}
  - {id: time_on_treatment, title: 'How long {subject} goes on', of_whom: 'Starters.', chart: curve, statistic: still_on, columns: [count, still_on], places: [topic, subject]}
  - {id: responders, title: 'Who changed by the MID', of_whom: 'Starters with both scores.', chart: levels, drawn: [better, same, worse], beside: better, places: [topic, subject]}
statistics: {mean_change: Mean change, still_on: Still on it, score_sd: Standard deviation}
words:
  response: {better: Better, same: No change that counts, worse: Worse}
caveats: [Regression to the mean is not taken out.]
"""  # fmt: skip


def course_topic() -> Topic:
    return Topic.model_validate(yaml.safe_load(COURSE))


def course_cells() -> list[Cell]:
    """Estimates, series, a curve of steps and responders, with suppressed and not estimable figures among them."""
    found = []
    start = {"topic": "change", "table_id": "change_after_start", "subject_kind": "instrument", "subject": "msws_12"}
    for code, n, value in (
        ("physical_therapy", 120, -3.25),
        ("yoga", 90, 0.4),
        ("cane", 40, None),
        ("baclofen", 5, -1.0),
    ):
        base = cell(f"start {code}", n, None, dimension_1="treatment", value_1=code, has_interval=False, **start)
        low, high = (None, None) if value is None else (value - 1.2, value + 1.2)
        found.append(
            with_statistics(base, ("mean_change", value, low, high, "points"), ("score_sd", 21.5, None, None, "points"))
        )
    for symptom, level in (("fatigue", 40), ("muscle_weakness", 60)):
        shape = {"topic": "change", "table_id": "severity_by_quarter", "subject_kind": "symptom", "subject": symptom}
        shape |= {"value_1": symptom, "dimension_2": "quarter"}
        for at, quarter in enumerate(("2024-Q3", "2024-Q4", "2025-Q1", "2025-Q2")):
            whole = f"{symptom} {quarter}"
            found.append(
                cell(whole, 150 + at, None, **(shape | {"table_id": "reporting_by_quarter", "value_2": quarter}))
            )
            few = symptom == "fatigue" and at == 2
            found.append(cell(f"{whole} worse", 6 if few else level + 7 * at, whole, value_2=quarter, **shape))
    for treatment_code, at_risk in (("baclofen", (100, 82, 70, 41)), ("yoga", (80, 60, 55, 8))):
        shape = {
            "topic": "change",
            "table_id": "time_on_treatment",
            "subject_kind": "treatment",
            "subject": treatment_code,
        }
        for days, n in zip((0, 90, 180, 365), at_risk, strict=True):
            share = n / at_risk[0]
            base = cell(
                f"{treatment_code} at {days}", n, None, dimension_1="treatment", value_1=treatment_code, dimension_2="days",
                value_2=str(days), has_interval=False, **shape,
            )  # fmt: skip
            found.append(with_statistics(base, ("still_on", share, max(0, share - 0.1), min(1, share + 0.1), "share")))
    shape = {"topic": "change", "table_id": "responders", "subject_kind": "instrument", "subject": "msws_12"}
    shape |= {"dimension_1": "treatment", "dimension_2": "response"}
    for code, counts in (("physical_therapy", (40, 60, 20)), ("yoga", (20, 50, 20))):
        whole = f"both {code}"
        found.append(
            cell(whole, sum(counts), None, value_1=code, **(shape | {"table_id": "scored", "dimension_2": None}))
        )
        for response, n in zip(("better", "same", "worse"), counts, strict=True):
            found.append(cell(f"{whole} {response}", n, whole, value_1=code, value_2=response, **shape))
    return found


def release_of(con: duckdb.DuckDBPyConnection, cells: list[Cell], **given) -> Release:
    hidden = decide(cells, 11).hidden
    frame = publishable(con, cells, hidden, 1, 3, AT)
    return replace(Release(1, 3, AT, NOW, 11, frame, date(2024, 7, 1), date(2025, 6, 30), "abc"), **given)


RATINGS = {"major": 20, "moderate": 30, "slight": 20, "none": 20, "cant_tell": 20}


def rich_cells() -> list[Cell]:
    """Something of everything a page can show."""
    return [
        *members(400),
        *one_symptom("fatigue", {"none": 50, "mild": 40, "moderate": 90, "severe": 30}),
        *one_symptom("muscle_weakness", {"none": 60, "mild": 50, "moderate": 60, "severe": 40}),
        *one_symptom("pain", {"none": 50, "mild": 40, "moderate": 30, "severe": 3}),
        *one_symptom("bowel", {"none": 2, "mild": 3, "moderate": 4, "severe": 1}),
        *one_symptom("spasticity", {"none": 80, "mild": 40, "moderate": 30, "severe": 20}),
        *regions(210, {"legs": (40, 45, 30), "arms_hands": (30, 20, 15), "torso": (14, 20, 12), "face": (3, 2, 1)}),
        *treatment("baclofen", "spasticity", 150, RATINGS),
        *treatment("yoga", "stiffness", 140, RATINGS | {"major": 12, "none": 30}),
        *treatment("cane", "balance", 40, {}),
        *course_cells(),
    ]


def known_topics() -> list[Topic]:
    return [*topics(), course_topic()]
