"""How much fits on one sheet of paper, and in which size of type.

A browser lays the page out, and none says beforehand how high it becomes. So heights are estimated: widths of letters are
Arial's, whose widths Helvetica and Liberation Sans share, and heights of rows are those of `visit.css`, which is written in
the same unit, the em of the page's type. The sheet gets the largest type in which all of it fits; if none is small enough,
lines go from the sections that have most of them, and the page says what has no line of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

# What both papers have between the margins of `visit.css`: the width of A4 and the height of Letter, less a reserve.
WIDTH_MM, HEIGHT_MM, RESERVE_MM = 188.0, 261.0, 7.0
SIZES_PT = (9.5, 9.25, 9.0, 8.75, 8.5, 8.25, 8.0)
_MM_PER_PT = 25.4 / 72
# Advance widths of Arial in parts of the em; a letter not named here is as broad as the broadest.
_WIDTHS = (
    ("ijl'’‘|", 0.23),
    (" .,:;/!ftI[]\u00a0", 0.28),
    ("r-()`•", 0.34),
    ("*", 0.39),
    ("ckszxyvJ", 0.5),
    ("abdeghnopquL0123456789?–_$#", 0.557),
    ("+=<>~−", 0.585),
    ("FTZ", 0.61),
    ("ABEKPSVXY&", 0.667),
    ("wCDHNRU", 0.723),
    ("GOQ", 0.78),
    ("mM", 0.834),
    ("W%", 0.945),
)
_WIDTH_OF = {letter: width for letters, width in _WIDTHS for letter in letters}
# Lines break between words, so that of each line an end stays empty.
_FILLED = 0.97


@dataclass(frozen=True)
class Room:
    """How many lines each section gets, and the size of the type in points."""

    symptoms: int
    scores: int
    treatments: int
    questions: int
    size_pt: float = SIZES_PT[-1]


Notes = Callable[[Room], str]


@dataclass(frozen=True)
class Wording:
    """The texts of a sheet, section by section. Notes depend on what has a line of its own."""

    facts: str
    caveat: str
    changed: Sequence[str]
    symptom_count: int
    symptom_notes: Notes
    life_row_count: int
    life_notes: str
    score_count: int
    score_notes: Notes
    treatments: Sequence[tuple[str, str]]
    treatment_notes: Notes
    questions: Sequence[tuple[str, str]]
    footer: str


# The most of each section on a sheet however short it is, and the least that it keeps as long as others have more.
MOST = Room(symptoms=12, scores=6, treatments=8, questions=8)
_LEAST = Room(symptoms=8, scores=3, treatments=4, questions=4)


def fit(wording: Wording) -> Room:
    """The largest type in which all fits; in the smallest, as many lines of each section as fit."""
    room = Room(
        min(wording.symptom_count, MOST.symptoms),
        min(wording.score_count, MOST.scores),
        min(len(wording.treatments), MOST.treatments),
        min(len(wording.questions), MOST.questions),
    )
    for size in SIZES_PT:
        if fits(wording, replace(room, size_pt=size)):
            return replace(room, size_pt=size)
    wanted = room
    for least in (_LEAST, Room(1, 1, 1, 1)):
        while not fits(wording, room) and (smaller := _smaller(room, least)) != room:
            room = smaller
    return _filled(wording, room, wanted)


def _filled(wording: Wording, room: Room, wanted: Room) -> Room:
    """What the last line that went has freed, given to other lines: symptoms first."""
    for name in ("symptoms", "questions", "treatments", "scores"):
        while getattr(room, name) < getattr(wanted, name):
            larger = replace(room, **{name: getattr(room, name) + 1})
            if not fits(wording, larger):
                break
            room = larger
    return room


def _smaller(room: Room, least: Room) -> Room:
    """One line less, of the section that has the most above its least; of several, questions go first."""
    spare = {
        name: getattr(room, name) / max(getattr(least, name), 1)
        for name in ("questions", "treatments", "symptoms", "scores")
        if getattr(room, name) > getattr(least, name)
    }
    if not spare:
        return room
    name = max(spare, key=lambda section: spare[section])
    return replace(room, **{name: getattr(room, name) - 1})


def fits(wording: Wording, room: Room) -> bool:
    """Whether so many lines in that type are estimated to stay on one sheet."""
    em = room.size_pt * _MM_PER_PT
    return height(wording, room, WIDTH_MM / em) * em <= HEIGHT_MM - RESERVE_MM


def height(wording: Wording, room: Room, width: float) -> float:
    """The estimated height of the page in em, on a page so many em wide."""
    total = 2.4 + (1.3 * lines(wording.facts, width) + 0.3) + (1.19 * lines(wording.caveat, width * 1.08) + 0.3)
    total += 0.55 + 1.3 * (1 + sum(lines(text, width * 0.86) for text in wording.changed))
    total += 0.45 + 1.95
    if wording.symptom_count or wording.symptom_notes(room):
        total += 1.75 + 1.45 * room.symptoms + _notes(wording.symptom_notes(room), width)
    if wording.life_row_count or wording.life_notes:
        total += 1.75 + 1.45 * wording.life_row_count + _notes(wording.life_notes, width)
    if wording.score_count or wording.score_notes(room):
        total += 1.75 + 2.7 * room.scores + _notes(wording.score_notes(room), width)
    if wording.treatments:
        total += 1.75 + _notes(wording.treatment_notes(room), width)
        for use, said in wording.treatments[: room.treatments]:
            label = 1.3 + 1.02 * lines(use, 0.21 * width / 0.85)
            total += 0.35 + max(label, 1.3 * lines(said, 0.455 * width), 1.9)
    if wording.questions:
        column = width / 2 - 3.2
        asked = [
            1.25 * _count(breadth(text) + 0.79 * breadth(f" ({rule})"), column) + 0.25
            for text, rule in wording.questions[: room.questions]
        ]
        # Two columns, in the order of the questions, and as even as these allow.
        total += 2.3 + min(max(sum(asked[:n]), sum(asked[n:])) for n in range(len(asked) + 1))
    return total + 0.75 + 0.99 * lines(wording.footer, width / 0.79)


def _notes(text: str, width: float) -> float:
    return 1.11 * lines(text, width / 0.85) + 0.1 if text else 0.0


def lines(text: str, width: float) -> int:
    """How many lines a text takes in a column so many em wide; at least one."""
    return _count(breadth(text), width)


def _count(broad: float, width: float) -> int:
    return max(1, math.ceil(broad / (width * _FILLED))) if broad > width else 1


def breadth(text: str) -> float:
    """How broad a text is on one line, in em."""
    return sum(_WIDTH_OF.get(letter, 1.0) for letter in text)
