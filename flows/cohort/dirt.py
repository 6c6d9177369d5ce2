"""What goes wrong in real exports, put into the clean records of one block, and a note of every record touched.

A record gets at most one kind of dirt (the state of a consent apart), so that what should become of it is beyond
dispute. Rates are shares of the records a kind can befall at all. The draws are a stream of their own, block by block:
the dirt of the first patients does not depend on how many follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.cohort import model
from flows.cohort.columns import DAY_SECONDS, EXPORTED_AT, Rows, joined
from flows.cohort.model import Flags, Ints

Disposition = Literal["admitted", "blanked", "refused", "duplicate", "waiting"]

# What the pipeline owes each kind. `admitted` includes records that are only flagged or counted later: a score which
# is not the sum of its items, an evaluation before its treatment, two severities of one day.
DISPOSITIONS: Mapping[str, Disposition] = {
    "exact_duplicate": "duplicate",
    "late_arrival": "admitted",
    "restated": "admitted",
    "tombstone": "admitted",
    "conflicting_report": "admitted",
    "severity_in_words": "admitted",
    "padded_code": "admitted",
    "unknown_open_code": "admitted",
    "missing_marker": "admitted",
    "curly_apostrophe": "admitted",
    "score_mismatch": "admitted",
    "evaluation_before_start": "admitted",
    "stale_current": "admitted",
    "consent_withdrawn": "admitted",
    "consent_never": "admitted",
    "height_in_feet": "blanked",
    "impossible_birth_year": "blanked",
    "unknown_optional_code": "refused",
    "glued_unit": "blanked",
    "unknown_closed_code": "refused",
    "severity_out_of_range": "refused",
    "future_date": "refused",
    "local_date": "refused",
    "serial_date": "refused",
    "month_in_words": "refused",
    "stop_before_start": "refused",
    "number_out_of_range": "refused",
    "injuries_exceed_falls": "refused",
    "missing_required": "refused",
    "patient_after_children": "waiting",
    "parent_refused": "waiting",
}
LATE_DAYS, LATEST_DAYS = 61, 180  # more than 60 days between what is reported and its arrival
STALE_DAYS = 180  # a "current" not confirmed for so long
UNKNOWN_TOKENS = ("vendor_item_17", "vendor_item_23")  # in no code list
LATE_PATIENT_SHARE = 0.005
MONTH_WORDS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SERIAL_DAY_ZERO = 25_569  # 1970-01-01 as a day number of spreadsheets

Select = Callable[[Rows], Flags]
Edit = Callable[[Rows, Rows, Ints, np.random.Generator], "tuple[Rows, Rows | None]"]


@dataclass(frozen=True)
class Stain:
    """One kind of dirt in one table. `edit(clean, current, positions, g)` returns the changed rows and added ones."""

    kind: str
    table: str
    rate: float
    edit: Edit
    select: Select | None = None


@dataclass(frozen=True)
class Note:
    """Records of one table with one kind of dirt."""

    table: str
    kind: str
    patient: Ints  # (n,)
    record_id: pa.Array  # (n,) text

    def first(self, patients: int) -> Note:
        kept = self.patient < patients
        return replace(self, patient=self.patient[kept], record_id=self.record_id.filter(pa.array(kept)))


@dataclass(frozen=True)
class Soiled:
    tables: Mapping[str, Rows]
    late_patients: Rows
    notes: tuple[Note, ...]


def overwrite(rows: Rows, column: str, positions: Ints, texts: Sequence[str | None] | pa.Array) -> Rows:
    """The column as text, with other words at the positions (ascending)."""
    mask = np.zeros(len(rows), bool)
    mask[positions] = True
    text = pc.replace_with_mask(rows.columns[column].cast(pa.string()), pa.array(mask), pa.array(texts, pa.string()))
    return replace(rows, columns={**rows.columns, column: text})


def append(rows: Rows, extra: Sequence[Rows]) -> Rows:
    """Added records stand after the others of the same patient."""
    if not extra:
        return rows
    parts = [rows, *extra]
    patient = np.concatenate([part.patient for part in parts])
    columns = {}
    for name in rows.columns:
        pieces = [part.columns[name] for part in parts]
        is_uniform = len({piece.type for piece in pieces}) == 1
        columns[name] = pa.concat_arrays(pieces if is_uniform else [piece.cast(pa.string()) for piece in pieces])
    everything = Rows(
        rows.table,
        patient,
        pa.concat_arrays([part.record_id for part in parts]),
        np.concatenate([part.updated_at for part in parts]),
        np.concatenate([part.is_deleted for part in parts]),
        columns,
    )
    return everything.take(np.argsort(patient, kind="stable"))


def _say(column: str, *words: str | None) -> Edit:
    """One of these words instead of the value."""

    def edit(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
        chosen = pa.array(words, pa.string()).take(pa.array(g.integers(0, len(words), len(positions))))
        return overwrite(current, column, positions, chosen), None

    return edit


def _redate(column: str, write: Callable[[Ints, np.random.Generator], Sequence[str]], origin: str = "") -> Edit:
    """Another text for a date, made from the day number of `origin` (the column itself if not given)."""

    def edit(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
        day = _day_numbers(clean.columns[origin or column])[positions]
        return overwrite(current, column, positions, write(day, g)), None

    return edit


def _day_numbers(column: pa.Array) -> Ints:
    days: Ints = pc.fill_null(column.cast(pa.int32()), 0).to_numpy().astype(np.int64)
    return days


def _iso(day: Ints) -> list[str]:
    return [str(value) for value in day.astype("M8[D]")]


def _in_ten_years(day: Ints, g: np.random.Generator) -> list[str]:
    return _iso(day + 3653 + g.integers(0, 300, len(day)))


def _just_before(day: Ints, g: np.random.Generator) -> list[str]:
    return _iso(day - g.integers(1, 60, len(day)))


def _years_before(day: Ints, g: np.random.Generator) -> list[str]:
    return _iso(day - 2400 - g.integers(0, 90, len(day)))  # the earliest treatment starts 2,300 days before the end


def _day_first(day: Ints, g: np.random.Generator) -> list[str]:
    return ["/".join(reversed(text.split("-"))) for text in _iso(day)]


def _serial(day: Ints, g: np.random.Generator) -> list[str]:
    return [str(value + SERIAL_DAY_ZERO) for value in day]


def _month_words(day: Ints, g: np.random.Generator) -> list[str]:
    return [f"{MONTH_WORDS[int(text[5:7]) - 1]} {text[:4]}" for text in _iso(day)]


def _repeat(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, Rows]:
    return current, clean.take(positions)


def _later(rows: Rows, g: np.random.Generator) -> Rows:
    """The same records as known at a later instant, before the export."""
    room = np.minimum(EXPORTED_AT - 3600 - rows.updated_at, 60 * DAY_SECONDS)
    return replace(rows, updated_at=rows.updated_at + 60 + (g.random(len(rows)) * room).astype(np.int64) // 60 * 60)


def _misread(clean: Rows, current: Rows, positions: Ints) -> Rows:
    """Another severity at the positions. The later row says what the patient meant, so the truth stays recoverable."""
    severity = clean.columns["severity"].to_numpy()[positions]
    return overwrite(current, "severity", positions, [str(level) for level in np.where(severity == 3, 2, severity + 1)])


def _restate(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, Rows]:
    return _misread(clean, current, positions), _later(clean.take(positions), g)


def _contradict(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, Rows]:
    extra = _later(clean.take(positions), g)
    return _misread(clean, current, positions), replace(extra, record_id=joined(extra.record_id, "B"))


def _delete(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, Rows]:
    extra = _later(clean.take(positions), g)
    empty = {name: pa.nulls(len(extra), pa.string()) for name in extra.columns}
    return current, replace(extra, is_deleted=np.ones(len(extra), bool), columns=empty)


def _delay(column: str) -> Edit:
    def edit(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
        updated_at = current.updated_at.copy()
        room = np.minimum(model.END_DAY - _day_numbers(clean.columns[column])[positions], LATEST_DAYS) - LATE_DAYS
        days = LATE_DAYS + (g.random(len(positions)) * room).astype(np.int64)
        updated_at[positions] += days * DAY_SECONDS
        return replace(current, updated_at=updated_at), None

    return edit


def _can_be_late(column: str) -> Select:
    return lambda rows: _day_numbers(rows.columns[column]) <= model.END_DAY - LATE_DAYS


def _severity_words(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
    words = ("none", "mild", "moderate", "severe")
    forms = (str.capitalize, str.upper, lambda word: f" {word} ", lambda word: f"{word.capitalize()} ")
    severity = clean.columns["severity"].to_numpy()[positions]
    texts = [forms[form](words[level]) for level, form in zip(severity, g.integers(0, 4, len(severity)), strict=True)]
    return overwrite(current, "severity", positions, texts), None


def _pad(column: str) -> Edit:
    def edit(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
        words = clean.columns[column].take(pa.array(positions)).to_pylist()
        upper = g.random(len(words)) < 0.5
        texts = [word.upper() if up else f" {word.capitalize()} " for word, up in zip(words, upper, strict=True)]
        return overwrite(current, column, positions, texts), None

    return edit


def _wrong_score(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
    score = clean.columns["source_score"].to_numpy(zero_copy_only=False)[positions]
    moved = np.where(score > 50, score - 12.5, score + 12.5)
    return overwrite(current, "source_score", positions, [f"{value:.2f}" for value in moved]), None


def _glue_unit(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
    amounts = clean.columns["dose_amount"].take(pa.array(positions)).to_pylist()
    return overwrite(current, "dose_amount", positions, [f"{amount}mg BID" for amount in amounts]), None


def _more_injuries(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
    falls = clean.columns["fall_count"].take(pa.array(positions)).to_pylist()
    return overwrite(current, "injurious_fall_count", positions, [str(count + 1) for count in falls]), None


def _forget_to_confirm(clean: Rows, current: Rows, positions: Ints, g: np.random.Generator) -> tuple[Rows, None]:
    start = _day_numbers(clean.columns["started_on"])[positions]
    confirmed = start + (g.random(len(start)) * (model.END_DAY - STALE_DAYS - start)).astype(np.int64)
    updated_at = current.updated_at.copy()
    updated_at[positions] = (confirmed + 1) * DAY_SECONDS
    return replace(overwrite(current, "last_confirmed_on", positions, _iso(confirmed)), updated_at=updated_at), None


def _is(column: str, word: str) -> Select:
    return lambda rows: pc.fill_null(pc.equal(rows.columns[column], word), False).to_numpy(zero_copy_only=False)


def _has(column: str) -> Select:
    return lambda rows: rows.columns[column].is_valid().to_numpy(zero_copy_only=False)


def _can_be_stale(rows: Rows) -> Flags:
    return _is("status", "current")(rows) & (_day_numbers(rows.columns["started_on"]) < model.END_DAY - STALE_DAYS)


def _is_scored_walk(rows: Rows) -> Flags:
    return _is("instrument_code", "msws_12")(rows) & _has("source_score")(rows)


def _everywhere(kind: str, rate: float, edit: Edit, tables: Sequence[str]) -> tuple[Stain, ...]:
    return tuple(Stain(kind, table, rate, edit) for table in tables)


_DATES = {
    "symptom_report": "reported_on",
    "activity_limitation": "reported_on",
    "weekly_activity": "week_starting_on",
    "fall_report": "period_ended_on",
    "outcome_assessment": "assessed_on",
}
_CLOSED = (
    ("symptom_report", "side", "middle"),
    ("treatment_episode", "status", "paused"),
    ("treatment_evaluation", "effectiveness", "huge"),
    ("outcome_assessment", "mode", "telegram"),
)
_OPTIONAL = (
    ("activity_limitation", "help", "robot"),
    ("weekly_activity", "pacing", "rarely"),
)
_OPEN = (
    ("symptom_report", "symptom_code"),
    ("activity_limitation", "activity_code"),
    ("treatment_episode", "treatment_code"),
)

STAINS: tuple[Stain, ...] = (
    *_everywhere("exact_duplicate", 0.005, _repeat, (*_DATES, "patient", "consent", "relapse")),
    *_everywhere("exact_duplicate", 0.005, _repeat, ("treatment_episode", "treatment_evaluation")),
    *(Stain("late_arrival", table, 0.03, _delay(day), _can_be_late(day)) for table, day in _DATES.items()),
    *(Stain("future_date", table, 0.001, _redate(day, _in_ten_years)) for table, day in _DATES.items()),
    *(Stain("unknown_closed_code", table, 0.003, _say(column, word)) for table, column, word in _CLOSED),
    *(Stain("unknown_optional_code", table, 0.003, _say(column, word)) for table, column, word in _OPTIONAL),
    *(Stain("unknown_open_code", table, 0.003, _say(column, *UNKNOWN_TOKENS)) for table, column in _OPEN),
    Stain("severity_out_of_range", "symptom_report", 0.003, _say("severity", "9", "-1", "4")),
    Stain("severity_in_words", "symptom_report", 0.005, _severity_words),
    Stain("padded_code", "symptom_report", 0.003, _pad("symptom_code")),
    Stain("restated", "symptom_report", 0.01, _restate),
    Stain("conflicting_report", "symptom_report", 0.002, _contradict),
    Stain("tombstone", "symptom_report", 0.002, _delete),
    Stain("tombstone", "outcome_assessment", 0.002, _delete),
    Stain("local_date", "symptom_report", 0.001, _redate("reported_on", _day_first)),
    Stain("serial_date", "symptom_report", 0.0005, _redate("reported_on", _serial)),
    Stain("missing_required", "symptom_report", 0.001, _say("symptom_code", None)),
    Stain("missing_required", "fall_report", 0.001, _say("period_started_on", None)),
    Stain("missing_marker", "weekly_activity", 0.005, _say("rest_break_count_per_day", "N/A", "-")),
    Stain("missing_marker", "fall_report", 0.005, _say("near_fall_count", "N/A")),
    Stain("number_out_of_range", "weekly_activity", 0.001, _say("active_minutes", "20000", "-30")),
    Stain("injuries_exceed_falls", "fall_report", 0.001, _more_injuries),
    Stain("score_mismatch", "outcome_assessment", 0.004, _wrong_score, _is_scored_walk),
    Stain("stale_current", "treatment_episode", 0.15, _forget_to_confirm, _can_be_stale),
    Stain(
        "stop_before_start",
        "treatment_episode",
        0.002,
        _redate("stopped_on", _just_before, "started_on"),
        _is("status", "stopped"),
    ),
    Stain("month_in_words", "treatment_episode", 0.002, _redate("started_on", _month_words)),
    Stain("glued_unit", "treatment_episode", 0.005, _glue_unit, _has("dose_amount")),
    Stain(
        "curly_apostrophe",
        "treatment_evaluation",
        0.20,
        _say("effectiveness", "Can\u2019t tell"),
        _is("effectiveness", "cant_tell"),
    ),
    Stain(
        "evaluation_before_start",
        "treatment_evaluation",
        0.003,
        _redate("evaluated_on", _years_before),
        _has("evaluated_on"),
    ),
    Stain("height_in_feet", "patient", 0.01, _say("height_cm", "5.4", "5.8", "6.1"), _has("height_cm")),
    Stain("impossible_birth_year", "patient", 0.005, _say("birth_year", "1850", "2024", "2199"), _has("birth_year")),
)


def soil(seed: int, block: int, tables: Mapping[str, Rows]) -> Soiled:
    """The dirt of one block, in all its tables."""
    g = np.random.Generator(np.random.Philox(key=[seed + 1, block]))
    notes: list[Note] = []
    soiled: dict[str, Rows] = {}
    refused_episodes = pa.array([], pa.string())
    for table, clean in tables.items():
        is_free = np.ones(len(clean), bool)
        if table == "treatment_evaluation":
            is_orphan = pc.is_in(clean.columns["source_episode_id"], refused_episodes).to_numpy(zero_copy_only=False)
            notes.append(_note(clean, "parent_refused", is_orphan))
            is_free = ~is_orphan
        soiled[table], found = _soil_table(clean, g, is_free)
        notes += found
        if table == "treatment_episode":
            ids = [note.record_id for note in found if DISPOSITIONS[note.kind] == "refused"]
            refused_episodes = pa.concat_arrays(ids) if ids else refused_episodes
    is_withdrawn = _is("status", "withdrawn")(tables["consent"])
    notes.append(_note(tables["consent"], "consent_withdrawn", is_withdrawn))
    has_granted = tables["consent"].patient[_is("scope", "aggregate_release")(tables["consent"])]
    notes.append(_note(tables["patient"], "consent_never", ~np.isin(tables["patient"].patient, has_granted)))
    is_late = g.random(len(tables["patient"])) < LATE_PATIENT_SHARE
    touched = [note.patient for note in notes if note.table == "patient" and note.kind != "consent_never"]
    is_late &= ~np.isin(tables["patient"].patient, np.concatenate([np.zeros(0, np.int64), *touched]))
    is_late = np.isin(soiled["patient"].patient, tables["patient"].patient[is_late])
    late = soiled["patient"].take(is_late)
    notes.append(_note(soiled["patient"], "patient_after_children", is_late))
    soiled["patient"] = soiled["patient"].take(~is_late)
    return Soiled(soiled, late, tuple(note for note in notes if len(note.patient)))


def _note(rows: Rows, kind: str, chosen: Flags) -> Note:
    return Note(rows.table, kind, rows.patient[chosen], rows.record_id.filter(pa.array(chosen)))


def _soil_table(clean: Rows, g: np.random.Generator, is_free: Flags) -> tuple[Rows, list[Note]]:
    """One draw a record, cut into intervals: kinds exclude each other."""
    u = g.random(len(clean))
    current, extra, notes, lower = clean, [], [], 0.0
    for stain in (stain for stain in STAINS if stain.table == clean.table):
        chosen = (u >= lower) & (u < lower + stain.rate) & is_free
        lower += stain.rate
        if stain.select is not None:
            chosen &= stain.select(clean)
        if not chosen.any():
            continue
        current, added = stain.edit(clean, current, np.flatnonzero(chosen), g)
        extra += [added] if added is not None else []
        notes.append(_note(clean, stain.kind, chosen))
    return append(current, extra), notes
