"""The sheet as data: everything the page says, and nothing that leads to the person but what they reported."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from flows.visit import words
from flows.visit.life import Activity, Falls, LimitationLine, activity, falls, limitation_lines
from flows.visit.period import Period
from flows.visit.questions import Question, questions
from flows.visit.records import Records, Row
from flows.visit.scores import ScoreLine, score_lines, threshold_sources, unscored_count
from flows.visit.symptoms import SymptomLine, WeaknessView, symptom_lines, weakness_view
from flows.visit.treatments import TreatmentLine, treatment_lines

SELF_REPORTED = (
    "Self-reported and unverified: the member entered all of this on an online platform. Nobody has checked diagnosis, "
    "dates, doses or answers. It shows what was reported and when, not why. It is no medical record and no advice."
)


@dataclass(frozen=True)
class Summary:
    """What changed since about a year ago, by name."""

    worse: tuple[str, ...]
    better: tuple[str, ...]
    new: tuple[str, ...]
    unchanged_count: int
    not_comparable_count: int
    scores: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """One member's twelve months. `name` is what the caller typed, else None."""

    name: str | None
    period: Period
    made_at: datetime
    batch_id: int | None
    source_description: str
    last_on: date | None
    facts: tuple[str, ...]
    relapses: tuple[str, ...]
    summary: Summary
    symptoms: tuple[SymptomLine, ...]
    always_none: tuple[str, ...]
    weakness_view: WeaknessView | None
    falls: Falls
    activity: Activity
    limitations: tuple[LimitationLine, ...]
    scores: tuple[ScoreLine, ...]
    unscored_count: int
    treatments: tuple[TreatmentLine, ...]
    questions: tuple[Question, ...]
    threshold_sources: tuple[str, ...]
    caveat: str = SELF_REPORTED

    @property
    def is_empty(self) -> bool:
        """Whether nothing was reported in the twelve months."""
        has_life = self.falls.now or self.activity.weeks or self.limitations
        return not (self.symptoms or self.always_none or self.scores or self.treatments or has_life or self.relapses)

    @property
    def has_own_words(self) -> bool:
        """Whether a word stands on the sheet that no code list knows."""
        return "*" in f"{self.symptoms}{self.always_none}{self.limitations}{self.scores}{self.treatments}"

    def to_data(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        data: dict[str, Any] = _data(self)
        return data


def make_sheet(records: Records, *, name: str | None, made_at: datetime) -> Sheet:
    """What the records say of the period, in the order of the page."""
    period = records.period
    every = symptom_lines(records.symptom_days, period)
    # A symptom that was said to be absent all year, and before, is told in a word.
    shown = [line for line in every if line.worst or (line.then and line.then.level)]
    scores = score_lines(records.assessments, period, records.relapses)
    treatments = treatment_lines(records.episodes, records.evaluations, period)
    fell, moved = falls(records.falls, period), activity(records.weeks, period)
    return Sheet(
        name=name,
        period=period,
        made_at=made_at,
        batch_id=records.batch_id,
        source_description=records.source.description,
        last_on=records.last_on,
        facts=tuple(_facts(records.patient, period)),
        relapses=tuple(
            _relapse(row)
            for row in records.relapses
            if words.end_of(row["started_on"], row["started_on_precision"]) >= period.start
        ),
        summary=_summary(shown, scores),
        symptoms=tuple(shown),
        always_none=tuple(line.label for line in every if line not in shown),
        weakness_view=weakness_view(records.symptom_days, period),
        falls=fell,
        activity=moved,
        limitations=tuple(limitation_lines(records.limitations, period)),
        scores=tuple(scores),
        unscored_count=unscored_count(records.assessments, period),
        treatments=tuple(treatments),
        questions=tuple(questions(shown, scores, treatments, fell, moved)),
        threshold_sources=tuple(threshold_sources(scores)),
    )


def _facts(patient: Row, period: Period) -> list[str]:
    """Who is meant, in the member's own statements."""
    said = []
    if patient["birth_year"]:
        said.append(f"born {patient['birth_year']}")
    if patient["sex"] in ("female", "male", "other"):
        said.append(patient["sex"])
    course = words.COURSES.get(patient["ms_course"] or "")
    if course:
        relapsing = {"yes": " without relapses for 24 months", "no": ", relapses in the last 24 months"}
        said.append(course + (relapsing.get(patient["nrspms"], "") if patient["ms_course"] == "spms" else ""))
    if patient["symptom_onset_year"]:
        said.append(f"first symptoms {patient['symptom_onset_year']}")
    if patient["diagnosis_year"]:
        by = " (confirmed by a clinician, as stated)" if patient["diagnosis_source"] == "clinician" else ""
        said.append(f"diagnosed {patient['diagnosis_year']}{by}")
    if patient["ambulation"] in words.AMBULATION:
        said.append(words.AMBULATION[patient["ambulation"]])
    return said


def _relapse(row: Row) -> str:
    said = [words.partial(row["started_on"], row["started_on_precision"]) or "date not stated"]
    if row["is_steroid_treated"] is not None:
        said.append("steroids" if row["is_steroid_treated"] else "no steroids")
    if row["recovery"] in ("full", "partial", "none"):
        said.append({"none": "no recovery"}.get(row["recovery"], f"{row['recovery']} recovery"))
    return ", ".join(said)


_SHORT_READINGS = {
    "within error": "within measurement error",
    "beyond error": "beyond measurement error",
    "error not known": "measurement error not known",
    "confirmed": "confirmed",
    "not confirmed": "not confirmed",
    "no change": "no change",
}


def _summary(symptoms: list[SymptomLine], scores: list[ScoreLine]) -> Summary:
    def of(change: int) -> list[SymptomLine]:
        return [s for s in symptoms if s.change is not None and (s.change > 0) - (s.change < 0) == change]

    return Summary(
        worse=_names(of(1)),
        better=_names(of(-1)),
        new=_names([line for line in symptoms if line.change is None and line.is_new]),
        unchanged_count=len(of(0)),
        not_comparable_count=sum(line.change is None and not line.is_new for line in symptoms),
        scores=tuple(
            f"{line.label} {line.change.text} ({_SHORT_READINGS[line.change.reading]})"
            if line.change.value
            else f"{line.label} no change"
            for line in scores
            if line.change
        ),
    )


def _names(lines: list[SymptomLine]) -> tuple[str, ...]:
    """Symptoms by name, weak parts of the body as one."""
    parts = [words.REGIONS[line.body_region] for line in lines if line.body_region]
    weak = [f"weakness ({'; '.join(parts)})"] if parts else []
    return (*weak, *(words.lower(line.label) for line in lines if not line.body_region))


def _data(value: Any) -> Any:
    """Data classes as dictionaries, exact numbers as decimal ones."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Fraction):
        return round(float(value), 6)
    if isinstance(value, (list, tuple)):
        return [_data(item) for item in value]
    return value
