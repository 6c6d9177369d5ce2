"""What a subject is, in the words of its code list, or of its instrument's file."""

from __future__ import annotations

from dataclasses import dataclass

from flows.pages.frame import Subject

_DIRECTIONS = {
    "higher_worse": "A higher score is worse.",
    "higher_better": "A higher score is better.",
    "unknown": "Which end of the score is better is not known.",
}


@dataclass(frozen=True)
class Profile:
    """A sentence on what it is, and facts as pairs of a name and words."""

    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()


def profile(subject: Subject) -> Profile:
    """The profile of a subject; an empty one if no list knows it."""
    from schemas.codes import code_list

    if subject.kind == "instrument":
        return _instrument(subject.code)
    entry = next((entry for entry in code_list(subject.kind).codes if entry.code == subject.code), None)
    if entry is None:
        return Profile()
    facts = [
        (name, ", ".join(codes))
        for standard, name in (("snomed_ct", "SNOMED CT"), ("rxnorm", "RxNorm"))
        if (codes := entry.standard_codes.get(standard))
    ]
    # What stands after a semicolon tells coders which column says more.
    text, _, _ = entry.definition.partition(";")
    return Profile(f"{text.rstrip('.')}.", tuple(facts))


def _instrument(code: str) -> Profile:
    from schemas.instruments import instrument

    try:
        found = instrument(code)
    except KeyError:
        return Profile()
    facts = [("Direction", _DIRECTIONS[found.direction]), ("Validated in", found.validated_in)]
    for name, scale in found.scales.items():
        facts.append((f"Scale: {name.replace('_', ' ')}", f"{_n(scale.minimum)} to {_n(scale.maximum)} {found.unit}"))
        for threshold in scale.thresholds:
            points = "1 point" if threshold.value == 1 else f"{_n(threshold.value)} points"
            size = points if threshold.metric == "points" else f"{float(threshold.value):.0%}"
            standing = "" if threshold.standing == "published" else f" ({threshold.standing})"
            facts.append(
                (_threshold(threshold.name), f"{size}{standing}: {threshold.source}. {threshold.note}".strip())
            )
    facts.append(("Licence", found.licence))
    return Profile(f"{found.measures}. {found.notes}".strip(), tuple(facts))


def _threshold(name: str) -> str:
    words = name.replace("mid", "Minimal important difference,").replace("mdc", "Minimal detectable change,")
    return words.replace("_", " ").replace(", ", ": ").strip(",: ").capitalize()


def _n(value: object) -> str:
    return f"{float(value):g}"  # type: ignore[arg-type]
