"""Members for the tests of the visit sheet: one with as much as a sheet can hold, one with dates known in part, one hostile."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from canonical import record, write_csv

from flows import pipeline
from flows.settings import create_workspace, open_workspace
from schemas.codes import code_list

ON = date(2025, 9, 30)
NOW = datetime(2025, 10, 1, 12, tzinfo=UTC)
FULL, PARTIAL, HOSTILE, SILENT = "member-full-0001", "member-partial-0002", "member-hostile-0003", "member-silent-0004"
HOSTILE_WORD = "<script>alert('own & word')</script>" + "w" * 60


def days(count: int, every: int) -> list[str]:
    """So many days, the last one the day of the sheet."""
    return [str(ON - timedelta(days=n * every)) for n in reversed(range(count))]


def full() -> dict[str, list[dict[str, str]]]:
    """Fourteen months of a member who reports everything there is, with long words, and ever worse."""
    found: dict[str, list[dict[str, str]]] = {}

    def add(table: str, **said: object) -> str:
        rows = found.setdefault(table, [])
        key = f"{FULL}-{table}-{len(rows)}"
        rows.append(record(table, key, source_patient_id=FULL, **{name: str(value) for name, value in said.items()}))
        return key

    add(
        "patient",
        birth_year=1961,
        sex="female",
        condition_code="ms",
        ms_course="spms",
        symptom_onset_year=1998,
        diagnosis_year=2001,
        diagnosis_source="clinician",
        ambulation="two_aids",
        is_relapse_free_24_months="false",
    )
    for n in range(5):
        add(
            "relapse",
            started_on=f"2025-0{n + 2}-11",
            started_on_precision="day",
            is_steroid_treated="true",
            recovery="partial",
        )
    codes = sorted((c.code for c in code_list("symptom").codes if not c.code.endswith("_weakness")), key=len)[-16:]
    for place, day in enumerate(days(60, 7)):
        severity = min(place // 18, 3)
        for region in ("legs", "arms_hands", "torso", "face", "whole_body", "unknown"):
            add(
                "symptom_report",
                reported_on=day,
                symptom_code="muscle_weakness",
                severity=severity,
                body_region=region,
                side="right",
                perceived_cause="both",
                is_worse_with_heat="true",
                is_worse_after_exertion="false",
            )
        for code in ["fatigue", *codes, "an own word that is as long as an own word may be at all"]:
            add("symptom_report", reported_on=day, symptom_code=code, severity=severity)
        add(
            "weekly_activity",
            week_starting_on=day,
            active_minutes=max(400 - 7 * place, 0),
            sedentary_hours_per_day=11.75,
            inactivity_reasons="fear_of_falling|fatigue|weakness|access",
        )
    for place, day in enumerate(days(14, 30)):
        start = date.fromisoformat(day) - timedelta(days=29)
        add(
            "fall_report",
            period_started_on=start,
            period_ended_on=day,
            fall_count=place,
            injurious_fall_count=place // 2,
            near_fall_count=12,
        )
        add(
            "outcome_assessment",
            instrument_code="msws_12",
            instrument_version="v1",
            assessed_on=day,
            item_responses="|".join(["1"] * (12 - place) + ["5"] * place) if place < 12 else "|".join(["5"] * 12),
        )
        add(
            "outcome_assessment",
            instrument_code="fss",
            instrument_version="v1",
            assessed_on=day,
            item_responses="|".join(["2"] * 9 if place < 7 else ["7"] * 9),
        )
        add(
            "outcome_assessment",
            instrument_code="mfis",
            instrument_version="v1",
            assessed_on=day,
            item_responses="|".join(["1"] * 21 if place < 7 else ["4"] * 21),
        )
        add(
            "outcome_assessment",
            instrument_code="msis_29",
            instrument_version="v2",
            assessed_on=day,
            item_responses="|".join(["1"] * 29 if place < 7 else ["4"] * 29),
        )
        add(
            "outcome_assessment",
            instrument_code="pdds",
            instrument_version="v1",
            assessed_on=day,
            item_responses=str(min(place // 2, 8)),
        )
        add("outcome_assessment", instrument_code="neuro_qol_lower_extremity", assessed_on=day, source_score=60 - place)
        add("outcome_assessment", instrument_code="t25fw", assessed_on=day, source_score=6 + place / 2)
        for activity in [c.code for c in code_list("activity").codes][:12]:
            add(
                "activity_limitation",
                reported_on=day,
                activity_code=activity,
                difficulty=min(place // 3, 4),
                help="both",
            )
    long_ones = sorted((c for c in code_list("treatment").codes), key=lambda c: len(c.label))[-14:]
    for place, entry in enumerate(long_ones):
        common = {
            "treatment_code": entry.code,
            "category": entry.category or "other",
            "purpose_codes": "|".join([*codes[:3], "fatigue"]),
        }
        add(
            "treatment_episode",
            **common,
            started_on="2023-02-01",
            started_on_precision="month",
            stopped_on="2025-01-01",
            stopped_on_precision="month",
            status="stopped",
            dose_amount="12.5",
            dose_unit="mg",
            dose_period="as_needed",
            sessions_per_week="2.5",
            minutes_per_session="45",
            stop_reasons="not_working|side_effects|cost|coverage_change",
        )
        status = (
            {"status": "current", "last_confirmed_on": "2025-02-02"}
            if place % 3
            else {
                "status": "stopped",
                "stopped_on": "2025-08-01",
                "stopped_on_precision": "month",
                "stop_reasons": "not_working|side_effects|cost|coverage_change",
            }
        )
        key = add(
            "treatment_episode",
            **common,
            started_on="2025-03-01",
            started_on_precision="month",
            dose_amount="25.5",
            dose_unit="mg",
            dose_period="as_needed",
            sessions_per_week="2.5",
            minutes_per_session="45",
            **status,
        )
        for purpose in codes[:3]:
            add(
                "treatment_evaluation",
                source_episode_id=key,
                evaluated_on="2025-07-07",
                purpose_code=purpose,
                effectiveness="none",
                side_effect_severity="severe",
                side_effect_codes="|".join(codes[:4]),
                adherence="sometimes",
                burden="very",
            )
    return found


def partial() -> dict[str, list[dict[str, str]]]:
    """Dates of which only a part is known, a withdrawn consent, a report that was deleted, and two words on one day."""

    def own(table: str, key: str, **said: str) -> dict[str, str]:
        return record(table, f"{PARTIAL}-{key}", source_patient_id=PARTIAL, **said)

    span = {"category": "medication", "status": "current", "last_confirmed_on": "2025-09-20"}
    return {
        "patient": [own("patient", "p", birth_year="1980", sex="male", condition_code="ms", ms_course="rrms")],
        "consent": [
            own("consent", "c1", scope="aggregate_release", status="granted", effective_at="2024-01-01T00:00:00Z"),
            own("consent", "c2", scope="aggregate_release", status="withdrawn", effective_at="2024-06-01T00:00:00Z"),
        ],
        "symptom_report": [
            own("symptom_report", "s1", reported_on="2024-10-05", symptom_code="leg weakness", severity="1"),
            own(
                "symptom_report",
                "s2",
                reported_on="2025-09-05",
                symptom_code="muscle_weakness",
                body_region="legs",
                severity="2",
                source_updated_at="2025-09-05T10:00:00Z",
            ),
            own(
                "symptom_report",
                "s3",
                reported_on="2025-09-05",
                symptom_code="muscle_weakness",
                body_region="legs",
                severity="3",
                source_updated_at="2025-09-05T12:00:00Z",
            ),
            own("symptom_report", "s4", reported_on="2025-09-06", symptom_code="tremor", severity="3"),
            own(
                "symptom_report",
                "s4",
                reported_on="2025-09-06",
                symptom_code="tremor",
                severity="3",
                is_deleted="true",
                source_updated_at="2025-09-08T12:00:00Z",
            ),
            own("symptom_report", "s5", reported_on="2025-09-05", symptom_code="pain", severity="0"),
        ],
        "treatment_episode": [
            own(
                "treatment_episode",
                "t1",
                treatment_code="baclofen",
                started_on="2025-03-01",
                started_on_precision="month",
                **span,
            ),
            own(
                "treatment_episode",
                "t2",
                treatment_code="yoga",
                started_on="2024-01-01",
                started_on_precision="year",
                stopped_on="2025-06-01",
                stopped_on_precision="month",
                status="stopped",
                category="exercise",
            ),
            own(
                "treatment_episode",
                "t3",
                treatment_code="cane",
                started_on="2024-05-06",
                started_on_precision="day",
                category="assistive_device",
                status="current",
                last_confirmed_on="2025-09-20",
            ),
        ],
        "treatment_evaluation": [
            own(
                "treatment_evaluation",
                "e1",
                source_episode_id=f"{PARTIAL}-t1",
                evaluated_on="2025-05-05",
                purpose_code="spasticity",
                effectiveness="moderate",
            ),
            own(
                "treatment_evaluation",
                "e2",
                source_episode_id=f"{PARTIAL}-t1",
                evaluated_on="2025-08-05",
                purpose_code="spasticity",
                effectiveness="slight",
            ),
        ],
        "relapse": [own("relapse", "r1", started_on="2025-04-01", started_on_precision="month", recovery="full")],
    }


def hostile() -> dict[str, list[dict[str, str]]]:
    """Words of the member's own that would be markup, where the contract lets words through."""

    def own(table: str, key: str, **said: str) -> dict[str, str]:
        return record(table, f"{HOSTILE}-{key}", source_patient_id=HOSTILE, **said)

    return {
        "patient": [own("patient", "p", condition_code="ms", ms_course="unknown")],
        "symptom_report": [
            own("symptom_report", "s1", reported_on="2025-09-05", symptom_code=HOSTILE_WORD, severity="2")
        ],
        "treatment_episode": [
            own(
                "treatment_episode",
                "t1",
                treatment_code='"><img src=x onerror=alert(1)>',
                started_on="2025-03-04",
                started_on_precision="day",
                status="current",
                last_confirmed_on="2025-09-20",
                purpose_codes="\u202egnirts|a{{7*7}}b",
            )
        ],
        "outcome_assessment": [
            own(
                "outcome_assessment", "o1", instrument_code="</style><b>", assessed_on="2025-09-05", source_score="7.25"
            )
        ],
    }


def silent() -> dict[str, list[dict[str, str]]]:
    """A member whose last report is years old."""
    return {
        "patient": [record("patient", f"{SILENT}-p", source_patient_id=SILENT, condition_code="ms")],
        "symptom_report": [
            record(
                "symptom_report",
                f"{SILENT}-s",
                source_patient_id=SILENT,
                reported_on="2021-03-04",
                symptom_code="fatigue",
                severity="2",
            )
        ],
    }


def deliver(folder: Path) -> None:
    """All of them as canonical exports, one file a table, with ten well-behaved consents to keep refusals within tolerance."""
    tables: dict[str, list[dict[str, str]]] = {}
    for member in (full(), partial(), hostile(), silent()):
        for table, rows in member.items():
            tables.setdefault(table, []).extend(rows)
    for table, rows in tables.items():
        write_csv(folder / f"{table}.csv", rows)


def taken(root: Path) -> None:
    """A workspace that knows these members: to be made once (`ready.Ready`)."""
    workspace = create_workspace(root)
    (root / "outcomes.toml").write_text("data_docs = false\n")
    deliver(workspace.folder("landing", "canonical"))
    assert pipeline.ingest(open_workspace(root), now=NOW).exit_code == 0
